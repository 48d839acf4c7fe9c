"""Block hashes -> dense ids: 0, 1, 2, ... in order of first appearance.

A hash table with open addressing and linear probing, at most half full. An entry holds 32 bits
of the key's hash and the id + 1; the key itself is compared in `keys[id]`, so ids are exact. Two
things make it fast on prompts: a block is tried first as the successor of the one before it,
which is right for every prompt that goes on like an earlier one and needs no hashing at all; and
the table's cache lines are asked for some blocks ahead.

Cost: O(n) expected, 24 bytes for each distinct block and as much again while it grows.
"""

from __future__ import annotations

import numpy as np

from netra.analysis.compiled import Int32s, Int64s, UInt64s, kernel
from netra.analysis.prefetch import AHEAD, prefetch

_FIRST_BITS = 16
#: Growing copies everything: small tables grow fast, large ones save memory.
_DOUBLE_FROM = 1 << 20
#: Ids are 31 bits, and a table is twice as long.
_MAX_IDS = 1 << 30

_U32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
#: 2^64 / golden ratio, made odd (Knuth, TAOCP 3, 6.4: multiplicative hashing).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class BlockIds:
    """Gives each distinct 64-bit key an id; remembers all keys it has seen."""

    def __init__(self) -> None:
        self._bits = _FIRST_BITS
        self._table = np.zeros(1 << self._bits, np.uint64)
        self._keys = np.zeros(self.room, np.uint64)
        self._count = np.zeros(1, np.int64)

    def __len__(self) -> int:
        """How many distinct keys there were."""
        return int(self._count[0])

    @property
    def room(self) -> int:
        """Ids that exist before the table has to grow."""
        return 1 << (self._bits - 1)

    @property
    def keys(self) -> UInt64s:
        """The key of each id, shape (len(self),)."""
        return self._keys[: len(self)]

    def encode(self, keys: UInt64s, out: Int32s | None = None) -> Int32s:
        """The id of each key, shape (n,).

        Args:
            keys: shape (n,), contiguous.
            out: where to put the ids; None: a new array.

        Raises:
            OverflowError: there are more than 2^30 distinct keys.
        """
        ids = np.empty(len(keys), np.int32) if out is None else out[: len(keys)]
        done = 0
        while done < len(keys):
            shift = np.uint64(64 - self._bits)
            done = _encode(keys, done, ids, self._table, shift, self._keys, self._count)
            if done < len(keys):
                self._grow()
        return ids

    def _grow(self) -> None:
        if self.room >= _MAX_IDS:
            raise OverflowError(f"more than {_MAX_IDS:,} distinct blocks")
        self._bits += 1 if self.room >= _DOUBLE_FROM else 2
        keys = np.zeros(self.room, np.uint64)
        keys[: len(self)] = self.keys
        self._keys = keys
        self._table = np.zeros(1 << self._bits, np.uint64)
        _fill(self._table, np.uint64(64 - self._bits), self.keys)


@kernel
def _hash(key: np.uint64) -> np.uint64:
    return (key ^ (key >> _U32)) * _GOLDEN


@kernel
def _encode(
    keys_in: UInt64s,
    start: int,
    ids: Int32s,
    table: UInt64s,
    shift: np.uint64,
    keys: UInt64s,
    count: Int64s,
) -> int:
    """Encodes from `start` until the end or until there is no room; returns where it stopped."""
    n = len(keys_in)
    mask = len(table) - 1
    known = count[0]
    before = np.int64(-2)
    i = start
    while i < n:
        if i + AHEAD < n:
            prefetch(table, np.int64(_hash(keys_in[i + AHEAD]) >> shift))
        key = keys_in[i]
        hashed = _hash(key)
        tag = hashed << _U32
        slot = np.int64(hashed >> shift)
        while True:
            entry = table[slot]
            found = np.int64(entry & _LOW) - 1
            if found < 0 or ((entry ^ tag) >> _U32 == 0 and keys[found] == key):
                break
            slot = (slot + 1) & mask
        if found < 0:
            if known == len(keys):
                break
            found = known
            known += 1
            keys[found] = key
            table[slot] = tag | np.uint64(known)
            ids[i] = found
            i += 1
            before = np.int64(-2)
            continue
        ids[i] = found
        i += 1
        if found == before + 1:
            # A prompt that goes on like an earlier one: its blocks have consecutive ids.
            run = _run_length(keys[found + 1 : known], keys_in[i:])
            for k in range(run):
                ids[i + k] = found + 1 + k
            found += run
            i += run
        before = found
    count[0] = known
    return i


@kernel
def _run_length(expected: UInt64s, keys: UInt64s) -> int:
    """How many keys are the expected ones, up to the first that is not."""
    n = min(len(expected), len(keys))
    for k in range(n):
        if expected[k] != keys[k]:
            return k
    return n


@kernel
def _fill(table: UInt64s, shift: np.uint64, keys: UInt64s) -> None:
    """Enters distinct keys into an empty table, with ids in their order."""
    n = len(keys)
    mask = len(table) - 1
    for i in range(n):
        if i + AHEAD < n:
            prefetch(table, np.int64(_hash(keys[i + AHEAD]) >> shift))
        hashed = _hash(keys[i])
        slot = np.int64(hashed >> shift)
        while table[slot] != 0:
            slot = (slot + 1) & mask
        table[slot] = (hashed << _U32) | np.uint64(i + 1)
