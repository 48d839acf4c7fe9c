"""Ids for events whose trace has none: content hash and occurrence number.

The hash is 128 bits over what is known of the event (NULLs add nothing, so a new column of the
schema leaves old ids as they are), the same for every file format and batch size. Values are
mixed with splitmix64 (Steele, Lea, Flood 2014), texts hashed with BLAKE2b, lists with a
multilinear hash (Carter, Wegman 1979), columns salted by their names and summed. O(values); the
occurrences of a hash earlier in the file are found in sorted runs that double in size,
O(n log² n) in all, 8 bytes an event.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netra.ingest.attributes import items
from netra.ingest.schema import ATTRIBUTES, HASHES

#: (rows, 2) uint64: the two halves of each hash.
Lanes = np.ndarray


def mix(values: np.ndarray) -> np.ndarray:
    """splitmix64's finalizer, a bijection of 64-bit numbers."""
    x = values.astype(np.uint64, copy=True)
    x += np.uint64(0x9E3779B97F4A7C15)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def content_hashes(batch: pa.RecordBatch) -> Lanes:
    """The hash of each event of `batch`, `event_id` and `row` left out."""
    total = np.zeros((batch.num_rows, 2), np.uint64)
    for field, array in zip(batch.schema, batch.columns, strict=True):
        if field.name in ("event_id", "row") or array.null_count == len(array):
            continue
        salted = mix(_values(array) + _digest(field.name))
        salted[array.is_null().to_numpy(zero_copy_only=False)] = 0
        if pa.types.is_list(field.type) or pa.types.is_map(field.type):
            salted[_lengths(array) == 0] = 0
        total += salted
    return mix(total)


def _digest(text: str) -> np.ndarray:
    return np.frombuffer(blake2b(text.encode(), digest_size=16).digest(), np.uint64)


def _values(array: pa.Array) -> Lanes:
    """Each value as two 64-bit numbers; NULL is anything."""
    type_ = array.type
    if pa.types.is_string(type_):
        return _texts(array)
    if type_ == ATTRIBUTES:
        lengths, keys, values = items(array)
        entries = mix(_texts(keys) + mix(_texts(values)))
        return np.stack([_sums(entries[:, lane], lengths) for lane in (0, 1)], axis=1)
    if type_ == HASHES:
        bits = _multilinear(array)
    elif pa.types.is_floating(type_):
        bits = (array.fill_null(0.0).to_numpy() + 0.0).view(np.uint64)  # + 0.0: no negative zero
    else:
        integers = array.cast(pa.int64()) if pa.types.is_timestamp(type_) else array
        bits = integers.fill_null(0).to_numpy(zero_copy_only=False).astype(np.uint64)
    return np.stack([bits, ~bits], axis=1)


def _multilinear(lists: pa.Array) -> np.ndarray:
    """The sum of value x weight of its place, for each list: one multiplication a value."""
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    values = pc.list_flatten(lists).to_numpy(zero_copy_only=False)
    weights = mix(np.arange(lengths.max(initial=0))) | np.uint64(1)
    starts = np.cumsum(lengths) - lengths
    place = np.arange(len(values)) - np.repeat(starts, lengths)
    return _sums(values * weights[place], lengths) + lengths.astype(np.uint64)


def _texts(array: pa.Array) -> Lanes:
    coded = array.dictionary_encode()
    digests = b"".join(
        blake2b(t.encode(), digest_size=16).digest() for t in coded.dictionary.to_pylist()
    )
    table = np.frombuffer(digests + bytes(16), np.uint64).reshape(-1, 2)
    return table[coded.indices.fill_null(len(table) - 1).to_numpy(zero_copy_only=False)]


def _lengths(array: pa.Array) -> np.ndarray:
    if pa.types.is_map(array.type):
        return items(array)[0]
    return pc.list_value_length(array).to_numpy(zero_copy_only=False)


def _sums(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The sum of each group of `lengths[i]` consecutive values, modulo 2^64."""
    full = lengths.nonzero()[0]
    out = np.zeros(len(lengths), np.uint64)
    if len(full):
        out[full] = np.add.reduceat(values, (np.cumsum(lengths) - lengths)[full])
    return out


class Occurrences:
    """Counts how often each hash came before, over a whole file."""

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def number(self, hashes: np.ndarray) -> np.ndarray:
        """For each of `hashes` (uint64), how many equal ones came before it, in this call too."""
        order = np.argsort(hashes, kind="stable")
        ranked = hashes[order]
        firsts = np.searchsorted(ranked, ranked, side="left")
        counts = np.empty(len(hashes), np.int64)
        counts[order] = np.arange(len(ranked)) - firsts
        for run in self._runs:
            low = np.searchsorted(run, ranked, side="left")
            counts[order] += np.searchsorted(run, ranked, side="right") - low
        self._add(ranked)
        return counts

    def _add(self, run: np.ndarray) -> None:
        while self._runs and len(self._runs[-1]) <= len(run):
            run = np.concatenate([self._runs.pop(), run])
            run.sort(kind="stable")  # merges two sorted runs in linear time
        self._runs.append(run)


_HEX = np.frombuffer(b"".join(b"%02x" % i for i in range(256)), np.uint16)


def event_ids(batch: pa.RecordBatch, occurrences: Occurrences) -> pa.Array:
    """32 hex digits, and `-n` for the n-th repetition of the same content in the file."""
    lanes = content_hashes(batch)
    text = _HEX[lanes.astype(">u8").view(np.uint8).reshape(-1, 16)]
    ends = pa.array(np.arange(len(lanes) + 1, dtype=np.int32) * 32)
    ids = pa.StringArray.from_buffers(len(lanes), ends.buffers()[1], pa.py_buffer(text.tobytes()))
    counts = occurrences.number(lanes[:, 0])
    if not counts.any():
        return ids
    suffix = pc.binary_join_element_wise("", pa.array(counts).cast(pa.string()), "-")
    suffix = pc.if_else(pa.array(counts > 0), suffix, "")
    return pc.binary_join_element_wise(ids, suffix, "")


def point_ids(batch: pa.RecordBatch) -> pa.Array:
    """Of demand points: the series and the time. A second rate for both is a duplicate."""
    micros = batch["ts"].cast(pa.int64()).cast(pa.string())
    return pc.binary_join_element_wise(batch["series"], micros, "@")
