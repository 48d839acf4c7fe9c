"""Times of a trace -> microseconds UTC: RFC 3339 text, epoch numbers, and offsets from a start."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netra.ingest.convert import Kind, number
from netra.ingest.schema import TIMESTAMP

#: Times before this count as offsets from an unknown start: no LLM served requests in 1970.
CALENDAR_FROM_US = 365 * 86_400 * 1_000_000
#: 2262-01-01, where 64-bit nanoseconds end.
_END_US = 9_214_646_400_000_000
#: 2261-01-01: the longest offset from it still ends before that.
LATEST_START_US = _END_US - 365 * 86_400 * 1_000_000
#: An offset of more than this is not an offset, seconds (one year, so that it stays within 1970).
_LONGEST_S = CALENDAR_FROM_US / 1e6 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d(:?\d\d(:?\d\d(\.\d{1,9})?)?)?)?([Zz]|[+-]\d\d(:?\d\d)?)?"
)
#: Epoch numbers are told apart by size: below 1e11 seconds (till the year 5138), below 1e14
#: milliseconds, below 1e17 microseconds, else nanoseconds. (limit, microseconds per unit)
_UNITS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (np.inf, 1e-3))


def _checked(us: pa.Array) -> pa.Array:
    ends = pc.min_max(us.cast(pa.int64()))
    low, high = ends["min"].as_py(), ends["max"].as_py()
    if low is not None and (low < 0 or high >= _END_US):
        raise ValueError("is out of range")
    return us


def _bulk(array: pa.Array) -> pa.Array:
    type_ = array.type
    if pa.types.is_timestamp(type_):
        # Without a zone the times are taken as UTC; below a microsecond they are cut.
        return _checked(array.cast(TIMESTAMP, safe=False))
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return _checked(_text_bulk(array))
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return _checked(_epoch_bulk(array))
    if pa.types.is_null(type_):
        return array.cast(TIMESTAMP)
    raise ValueError(f"{type_} is not a time")


def _text_bulk(array: pa.Array) -> pa.Array:
    first = next((v.as_py() for v in array if v.is_valid), "")
    if "-" not in first:
        if pc.any(pc.match_substring(array, "x", ignore_case=True)).as_py():
            raise ValueError("is not a time")  # Arrow would read hexadecimal numbers
        return _epoch_bulk(array.cast(pa.float64() if "." in first else pa.int64()))
    for zone in ("UTC", None) if first[-1] in "Zz" or first[-6:-5] in "+-" else (None, "UTC"):
        try:
            return array.cast(pa.timestamp("ns", zone)).cast(TIMESTAMP, safe=False)
        except pa.ArrowInvalid:
            continue
    raise ValueError("not every value is a time")


def _epoch_bulk(array: pa.Array) -> pa.Array:
    valid = array.drop_null()
    values = valid.to_numpy(zero_copy_only=False)
    if not np.isfinite(values).all():
        raise ValueError("is not a finite number")
    if not len(values):
        return pa.nulls(len(array), TIMESTAMP)
    if values.min() < 0:
        raise ValueError("is before 1970")
    per_unit = _unit(values.max())
    if _unit(values.min()) != per_unit:
        raise ValueError("the units differ")
    if values.dtype.kind in "iu" and per_unit < 1:
        us = values // 1000
    elif values.dtype.kind in "iu":
        us = values * np.int64(per_unit)
    else:
        us = np.rint(values * per_unit)
    if us.max() >= _END_US:
        raise ValueError("is after 2261")
    out = np.zeros(len(array), np.int64)
    known = array.is_valid().to_numpy(zero_copy_only=False)
    out[known] = us
    return pa.array(out, pa.int64(), mask=~known).cast(TIMESTAMP)


def _unit(value: Any) -> float:
    return next(per_unit for limit, per_unit in _UNITS if abs(value) < limit)


def _one(value: Any) -> int:
    us = _microseconds(value)
    if us < 0:
        raise ValueError("is before 1970")
    if us >= _END_US:
        raise ValueError("is after 2261")
    return us


def _microseconds(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError("is not a time")
    if isinstance(value, str):
        text = value.strip()
        if _ISO.fullmatch(text):
            return _from_iso(text)
        try:
            value = int(text)
        except ValueError:
            try:
                value = float(text)
            except ValueError:
                raise ValueError("is not a time") from None
    if isinstance(value, int):
        per_unit = _unit(value)
        return value // 1000 if per_unit < 1 else value * int(per_unit)
    if isinstance(value, float):
        if not np.isfinite(value):
            raise ValueError("is not a time")
        return round(value * _unit(value))
    if isinstance(value, datetime):
        return to_us(value)
    raise ValueError("is not a time")


def _from_iso(text: str) -> int:
    try:
        return to_us(datetime.fromisoformat(text.upper()))
    except ValueError as e:
        raise ValueError(f"is not a time ({e})") from None


def to_us(moment: datetime | date) -> int:
    """Microseconds since 1970; a time without a zone is UTC."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


#: A point in time; epoch numbers are told apart by size, times without a zone are UTC.
MOMENT = Kind(
    type=TIMESTAMP,
    expected="an RFC 3339 time (2025-01-31T12:00:00.5Z) or an epoch number, from 1970 on",
    bulk=_bulk,
    one=_one,
)


def offset(us_per_unit: float) -> Kind:
    """Offsets from the trace's start, in units of `us_per_unit` microseconds, kept since 1970."""
    seconds = number(high=_LONGEST_S * 1e6 / us_per_unit, scale=us_per_unit)

    def bulk(array: pa.Array) -> pa.Array:
        return pc.round(seconds.bulk(array)).cast(pa.int64()).cast(TIMESTAMP)

    return Kind(
        type=TIMESTAMP,
        expected=seconds.expected,
        bulk=bulk,
        one=lambda value: round(seconds.one(value)),
    )


def anchored(ts: pa.Array, origin_us: int) -> pa.Array:
    """Offsets `ts` (µs since 1970), moved to start at `origin_us`."""
    return pc.add(ts.cast(pa.int64()), origin_us).cast(TIMESTAMP)
