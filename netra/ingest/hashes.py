"""Block hashes: lists of 64-bit numbers, from Arrow lists or JSON text."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netra.ingest.convert import UINT64, Kind
from netra.ingest.schema import HASHES, unknown


def lists_like(lists: pa.Array, values: pa.Array) -> pa.ListArray:
    """A list array with the lengths of `lists` (a NULL list is empty) and the flat `values`."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return pa.ListArray.from_arrays(pa.array(offsets(lengths)), values)


def offsets(lengths: np.ndarray) -> np.ndarray:
    """Where each list begins, and where the last one ends: (n,) -> (n + 1,) int32."""
    out = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=out[1:])
    return out


def _bulk(array: pa.Array) -> pa.Array:
    if pa.types.is_null(array.type):
        return unknown(pa.field("", HASHES), len(array))
    if pa.types.is_string(array.type):
        return _from_json(array)
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)):
        raise ValueError(f"{array.type} is not a list")
    values = pc.list_flatten(array)
    if values.null_count:
        raise ValueError("a hash is missing")
    return lists_like(array, UINT64.bulk(values))


def _from_json(array: pa.Array) -> pa.Array:
    """Text such as `[1,2]` as lists, without a JSON parser."""
    framed = pc.and_(pc.starts_with(array, "["), pc.ends_with(array, "]"))
    if not pc.all(framed, min_count=0).as_py():
        raise ValueError("is not a JSON list")
    inside = pc.binary_slice(array.cast(pa.binary()), 1, -1)
    parts = pc.split_pattern(inside, ",")
    # An empty list splits into one empty text.
    parts = pc.if_else(pc.equal(inside, b""), pa.scalar(None, parts.type), parts)
    texts = pc.list_flatten(parts).cast(pa.string())
    try:
        values = UINT64.bulk(texts)
    except pa.ArrowInvalid:
        values = UINT64.bulk(pc.ascii_trim_whitespace(texts))
    return lists_like(parts, values)


def _one(value: Any) -> list[int]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError("is not a JSON list") from None
    if not isinstance(value, list):
        raise ValueError("is not a list")
    return [UINT64.one(v) for v in value]


HASH_LIST = Kind(
    type=HASHES,
    expected="a list of whole numbers from 0 to 2^64 - 1",
    bulk=_bulk,
    one=_one,
)
