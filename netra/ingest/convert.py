"""Conversions from what a file holds to the event schema.

Each `Kind` says the same thing twice: `bulk` converts a whole Arrow array and raises if anything
in it is off; `one` is the reference for a single value and says what is wrong with it. `bulk` is
tried first, `one` locates the bad values (and settles the rare forms that Arrow does not read).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: Whole numbers below this are exact as float64.
EXACT = 2.0**53
#: What `bulk` raises when the array needs a look at each value.
NOT_IN_BULK = (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of value."""

    type: pa.DataType
    #: What is accepted, in words.
    expected: str
    #: The array, converted; raises one of `NOT_IN_BULK` if any value is off.
    bulk: Callable[[pa.Array], pa.Array]
    #: A single value, converted; raises ValueError saying what is wrong with it.
    one: Callable[[Any], Any]


#: What PostgreSQL can hold in no text: a result that names such a value could not be kept.
NUL = "\0"


def holds_nul(texts: pa.Array) -> bool:
    """Whether a string array may hold a NUL character: bytes behind a NULL count too."""
    _, ends, data = texts.buffers()
    if data is None or not len(texts):
        return False
    offsets = np.frombuffer(ends, np.int32)
    first, last = offsets[texts.offset], offsets[texts.offset + len(texts)]
    return not np.frombuffer(data, np.uint8)[first:last].all()


def without_nul(text: str) -> str:
    """The text itself.

    Raises:
        ValueError: it holds a NUL character.
    """
    if NUL in text:
        raise ValueError("holds a NUL character (U+0000), which no text may; leave it out")
    return text


def plain(value: Any) -> str:
    """A JSON scalar as text: `true`, `3`, `0.5`; whole floats lose their point.

    Raises:
        ValueError: it is a list or an object, or holds a NUL character.
    """
    if isinstance(value, str):
        return without_nul(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < EXACT else repr(value)
    raise ValueError("is not text")


def _text_bulk(array: pa.Array) -> pa.Array:
    type_ = array.type
    if pa.types.is_dictionary(type_):
        return _text_bulk(array.dictionary_decode())
    if pa.types.is_floating(type_):
        ends = pc.min_max(pc.abs(array))
        if (ends["max"].as_py() or 0.0) >= EXACT:
            raise ValueError("may have lost digits")
        return pa.array([None if v is None else plain(v) for v in array.to_pylist()], pa.string())
    if (
        pa.types.is_string(type_)
        or pa.types.is_large_string(type_)
        or pa.types.is_string_view(type_)
        or pa.types.is_integer(type_)
        or pa.types.is_boolean(type_)
        or pa.types.is_null(type_)
    ):
        texts = array.cast(pa.string())
        if holds_nul(texts):
            raise ValueError("may hold a NUL character")
        return texts
    raise ValueError(f"{type_} is not text")


TEXT = Kind(type=pa.string(), expected="text", bulk=_text_bulk, one=plain)

_DIGITS = re.compile(r"\d+|0[xX][0-9a-fA-F]+")


def _is_number(type_: pa.DataType) -> bool:
    return pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)


def _is_text(type_: pa.DataType) -> bool:
    return pa.types.is_string(type_) or pa.types.is_large_string(type_)


def whole(type_: pa.DataType, high: int) -> Kind:
    """Whole numbers from 0 to `high`, as Arrow `type_`."""

    def bulk(array: pa.Array) -> pa.Array:
        if pa.types.is_floating(array.type) and high > EXACT:
            raise ValueError("may have lost digits")
        if pa.types.is_null(array.type) or _is_number(array.type) or _is_text(array.type):
            return array.cast(type_)
        raise ValueError(f"{array.type} is not a number")

    def one(value: Any) -> int:
        number = _whole_number(value)
        if number < 0:
            raise ValueError("is negative")
        if number > high:
            raise ValueError(f"is larger than {high}")
        return number

    return Kind(type=type_, expected=f"a whole number from 0 to {high}", bulk=bulk, one=one)


def _whole_number(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError("is not a number")
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        text = value.strip()
        if _DIGITS.fullmatch(text):
            return int(text, 16 if text[1:2] in ("x", "X") else 10)
    number = _finite(value)
    if not number.is_integer() or abs(number) >= EXACT:
        raise ValueError("is not a whole number")
    return int(number)


def _finite(value: Any) -> float:
    if isinstance(value, bool) or value is None:
        raise ValueError("is not a number")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("is not a number") from None
    if not math.isfinite(number):
        raise ValueError("is not a finite number")
    return number


def number(high: float = math.inf, scale: float = 1.0) -> Kind:
    """Finite numbers from 0 to `high` as float64, multiplied by `scale` (unit conversion)."""

    def bulk(array: pa.Array) -> pa.Array:
        if not (pa.types.is_null(array.type) or _is_number(array.type) or _is_text(array.type)):
            raise ValueError(f"{array.type} is not a number")
        floats = array.cast(pa.float64())
        ends = pc.min_max(floats)
        if pc.any(pc.is_nan(floats)).as_py():
            raise ValueError("is not a number")
        low, top = ends["min"].as_py(), ends["max"].as_py()
        if low is not None and (low < 0 or top > high or math.isinf(top)):
            raise ValueError("is out of range")
        return floats if scale == 1.0 else pc.multiply(floats, scale)

    def one(value: Any) -> float:
        found = _finite(value)
        if found < 0:
            raise ValueError("is negative")
        if found > high:
            raise ValueError(f"is larger than {high:g}")
        return found * scale

    limit = "of at least 0" if math.isinf(high) else f"from 0 to {high:g}"
    return Kind(type=pa.float64(), expected=f"a finite number {limit}", bulk=bulk, one=one)


def _finite_or_null(value: Any) -> float | None:
    try:
        return _finite(value)
    except ValueError:
        return None


def _finite_bulk(array: pa.Array) -> pa.Array:
    if not (pa.types.is_null(array.type) or _is_number(array.type)):
        raise ValueError(f"{array.type} is not a number")
    floats = array.cast(pa.float64())
    return pc.if_else(pc.is_finite(floats), floats, pa.scalar(None, pa.float64()))


UINT32 = whole(pa.uint32(), 2**32 - 1)
UINT64 = whole(pa.uint64(), 2**64 - 1)
NUMBER = number()
FRACTION = number(high=1.0)
#: Any finite number; whatever else is unknown.
NUMBER_IF_ANY = Kind(
    type=pa.float64(), expected="a finite number", bulk=_finite_bulk, one=_finite_or_null
)
#: Seconds in the file, milliseconds in the event.
SECONDS_AS_MS = number(scale=1000.0)
