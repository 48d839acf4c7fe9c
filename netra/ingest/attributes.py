"""Attributes: whatever a trace says beyond the event schema, as text by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netra.ingest.convert import TEXT, Kind, holds_nul, plain, without_nul
from netra.ingest.hashes import offsets
from netra.ingest.schema import ATTRIBUTES, unknown

_PAIRS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))


def items(maps: pa.Array) -> tuple[np.ndarray, pa.Array, pa.Array]:
    """The entries of a map array: how many each row has, and all keys and values, flat."""
    pairs = maps.cast(_PAIRS)
    lengths = pc.fill_null(pc.list_value_length(pairs), 0).to_numpy(zero_copy_only=False)
    flat = pc.list_flatten(pairs)
    return lengths, flat.field(0), flat.field(1)


def from_columns(columns: Mapping[str, pa.Array], rows: int) -> pa.MapArray:
    """One entry per known value: text arrays by name -> a map array; NULL ones are left out."""
    if not columns or not rows:
        return unknown(pa.field("", ATTRIBUTES), rows)
    known = np.column_stack([c.is_valid().to_numpy(zero_copy_only=False) for c in columns.values()])
    row, column = known.nonzero()
    keys = pa.array(list(columns), pa.string()).take(pa.array(column))
    values = pa.concat_arrays([c.combine_chunks() for c in map(_chunked, columns.values())])
    values = values.take(pa.array(column * rows + row))
    return pa.MapArray.from_arrays(pa.array(offsets(known.sum(axis=1))), keys, values)


def _chunked(array: pa.Array) -> pa.ChunkedArray:
    return pa.chunked_array([array])


def merged(first: pa.Array, second: pa.Array) -> pa.Array:
    """Both maps' entries, row by row; where a name is in both, the second wins."""
    lengths_a, keys_a, values_a = items(first)
    lengths_b, keys_b, values_b = items(second)
    if not len(keys_a):
        return second
    if not len(keys_b):
        return first
    if pc.any(pc.is_in(pc.unique(keys_a), pc.unique(keys_b))).as_py():
        pairs = zip(first.to_pylist(), second.to_pylist(), strict=True)
        return pa.array(
            [list({**dict(a or ()), **dict(b or ())}.items()) for a, b in pairs], ATTRIBUTES
        )
    rows = np.arange(len(first))
    owner = np.concatenate([np.repeat(rows, lengths_a), np.repeat(rows, lengths_b)])
    order = pa.array(np.argsort(owner, kind="stable"))
    keys = pa.concat_arrays([keys_a, keys_b]).take(order)
    values = pa.concat_arrays([values_a, values_b]).take(order)
    return pa.MapArray.from_arrays(pa.array(offsets(lengths_a + lengths_b)), keys, values)


def _bulk(array: pa.Array) -> pa.Array:
    type_ = array.type
    if pa.types.is_null(type_):
        return from_columns({}, len(array))
    if pa.types.is_map(type_):
        lengths, keys, values = items(array)
        if values.null_count:
            raise ValueError("a value is missing")
        if holds_nul(keys) or holds_nul(values):
            raise ValueError("may hold a NUL character")
        return pa.MapArray.from_arrays(pa.array(offsets(lengths)), keys, values)
    if pa.types.is_struct(type_):
        fields = {without_nul(f.name): TEXT.bulk(pc.struct_field(array, f.name)) for f in type_}
        return from_columns(fields, len(array))
    if pa.types.is_string(type_):
        # Few differ: each text is decoded once.
        coded = array.dictionary_encode()
        maps = pa.array([_one(v) for v in coded.dictionary.to_pylist()], ATTRIBUTES)
        return _bulk(maps.take(coded.indices))
    raise ValueError(f"{type_} is not a map")


def _one(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError("is not a JSON object") from None
    if isinstance(value, list) and all(isinstance(v, tuple) for v in value):
        value = dict(value)  # Arrow's way to say a map in Python
    if not isinstance(value, Mapping):
        raise ValueError("is not a JSON object")
    return [(without_nul(str(k)), as_text(v)) for k, v in value.items() if v is not None]


def as_text(value: Any) -> str:
    """A value as an attribute: scalars as they are, lists and objects as JSON.

    Raises:
        ValueError: it is binary.
    """
    if isinstance(value, str | int | float):
        return plain(value)
    if isinstance(value, bytes):
        raise ValueError("is not text")
    if isinstance(value, list | Mapping):
        return msgspec.json.encode(value).decode()
    return str(value)  # a date, time or decimal of a Parquet file


#: What a column that no event column takes becomes.
REST = Kind(type=pa.string(), expected="a JSON value", bulk=TEXT.bulk, one=as_text)
ATTRIBUTE_MAP = Kind(
    type=ATTRIBUTES,
    expected='a JSON object such as {"team": "search"}',
    bulk=_bulk,
    one=_one,
)
