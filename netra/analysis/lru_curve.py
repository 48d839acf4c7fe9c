"""The exact hit ratio of an LRU cache at every capacity, in one pass over the references.

Mattson's stack distances (Mattson, Gecsei, Slutz & Traiger, IBM Systems Journal 9(2), 1970): a
reference hits a cache of C blocks if and only if at most C - 1 distinct other blocks were
referenced since its block was referenced last. That number is counted over time positions, as by
Bennett & Kruskal (IBM J. Res. Dev. 19(4), 1975): a position is live while it is its block's last
reference, so the distance is the number of live positions from the last reference on.

What makes it fast:
- live positions are bits in words of 64, and a Fenwick tree counts per word the positions that
  are gone. New positions are live, so only re-references touch the tree;
- a run of blocks that follow each other as they did last time (a prompt's prefix) is of one
  distance: one look into the tree, and one update a word;
- when the window of positions is full, the live ones move to its front, so the tree is of the
  size of the distinct blocks and not of the trace;
- three plain loops over a few thousand references each (find the last positions, measure, tally),
  so that a cache miss in one does not hold up the branches of another.

Cost: O(n log d) time for n references of d distinct blocks, O(n) on repeated prefixes; about 70
bytes for each distinct block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from netra.analysis.block_ids import BlockIds
from netra.analysis.compiled import Int32s, Int64s, UInt64s, kernel
from netra.analysis.prefetch import AHEAD, prefetch

#: References that are encoded and replayed at a time: their ids stay in the CPU's cache.
_CHUNK = 1 << 16
#: References between two tallies.
_BURST = 4096
#: Positions in the window for each id that has room.
_POSITIONS_PER_ID = 4

T = TypeVar("T", bound=np.generic)

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True, kw_only=True)
class LruCurve:
    """Hits of an LRU cache of every capacity."""

    #: How many references there were, first ones included.
    references: int
    #: How many distinct blocks.
    distinct: int
    #: `hits[c]` is the number of references that hit a cache of c blocks; shape (distinct + 1,).
    hits: Int64s

    def hit_ratio(self, capacity: float) -> float:
        """The share of references that hit a cache of `capacity` blocks; `inf`: unlimited.

        Raises:
            ValueError: the capacity is negative.
        """
        if not capacity >= 0:
            raise ValueError(f"a cache of {capacity} blocks")
        return float(self.hits[int(min(capacity, self.distinct))]) / max(self.references, 1)

    def at(self, capacities: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The hit ratio at each of many capacities; same shape."""
        places = np.clip(np.asarray(capacities, np.int64), 0, self.distinct)
        return self.hits[places] / max(self.references, 1)


def lru_curve(blocks: UInt64s) -> LruCurve:
    """The curve of references given at once; `LruStack` takes them in parts.

    Args:
        blocks: 64-bit block hashes in the order of their references; shape (n,).

    Raises:
        OverflowError: there are more than 2^30 distinct blocks.
    """
    stack = LruStack()
    stack.extend(blocks)
    return stack.curve()


class LruStack:
    """Takes references as they come; the curve of those so far may be asked for at any time."""

    def __init__(self) -> None:
        self._ids = BlockIds()
        self._references = 0
        #: Each id's last position, -1 before its first reference.
        self._last = np.empty(0, np.int32)
        #: The id referenced at each position of the window.
        self._id_at = np.empty(0, np.int32)
        #: One bit for each position that is no longer its block's last reference.
        self._gone = np.empty(0, np.uint64)
        #: Fenwick tree over the words of `_gone`, counting their bits.
        self._tree = np.empty(0, np.int32)
        #: References by stack distance, 1 and up; 0 holds the first ones.
        self._distances = np.zeros(1, np.int64)
        #: The next position, and the number of live ones.
        self._state = np.zeros(2, np.int64)
        self._encoded = np.empty(_CHUNK, np.int32)
        self._first = np.empty(_BURST, np.int32)
        self._length = np.empty(_BURST, np.int32)
        self._make_room()

    def extend(self, blocks: UInt64s) -> None:
        """Replays references.

        Args:
            blocks: 64-bit block hashes in the order of their references; shape (n,).

        Raises:
            OverflowError: there are more than 2^30 distinct blocks.
        """
        blocks = np.ascontiguousarray(blocks, np.uint64)
        for start in range(0, len(blocks), _CHUNK):
            self._replay(self._ids.encode(blocks[start : start + _CHUNK], out=self._encoded))
        self._references += len(blocks)

    def curve(self) -> LruCurve:
        """The curve of the references so far."""
        distinct = len(self._ids)
        hits = self._distances[: distinct + 1].copy()
        hits[0] = 0
        np.cumsum(hits, out=hits)
        return LruCurve(references=self._references, distinct=distinct, hits=hits)

    def _replay(self, ids: Int32s) -> None:
        if len(self._last) < self._ids.room:
            self._make_room()
        done = 0
        while True:
            done = _replay(
                ids, done, self._last, self._id_at, self._gone, self._tree, self._distances,
                self._first, self._length, self._state,
            )  # fmt: skip
            if done == len(ids):
                return
            self._compact()

    def _make_room(self) -> None:
        """Arrays for as many ids as the encoder has room for."""
        room = self._ids.room
        self._last = _longer(self._last, room, fill=-1)
        self._distances = _longer(self._distances, room + 1)
        self._id_at = _longer(self._id_at, room * _POSITIONS_PER_ID)
        self._compact()

    def _compact(self) -> None:
        """Moves the live positions to the front of the window, in their order."""
        _compact(self._last, self._id_at, self._gone, self._state)
        words = len(self._id_at) // 64
        if words + 1 != len(self._tree):
            self._gone = np.zeros(words, np.uint64)
            self._tree = np.zeros(words + 1, np.int32)
        else:
            self._gone.fill(0)
            self._tree.fill(0)


def _longer(array: npt.NDArray[T], length: int, fill: int = 0) -> npt.NDArray[T]:
    out: npt.NDArray[T] = np.zeros(length, array.dtype)
    if fill:
        out.fill(fill)
    out[: len(array)] = array
    return out


@kernel
def _replay(
    ids: Int32s,
    start: int,
    last: Int32s,
    id_at: Int32s,
    gone: UInt64s,
    tree: Int32s,
    distances: Int64s,
    first: Int32s,
    length: Int32s,
    state: Int64s,
) -> int:
    """Replays from `start` until the end or until the window is full; returns where it stopped."""
    end = min(len(ids), start + len(id_at) - state[0])
    i = start
    while i < end:
        stop = min(end, i + len(first))
        runs = _find_runs(ids, i, stop, last, id_at, state[0], first, length)
        state[1] = _measure(runs, first, length, gone, tree, state[1])
        for r in range(runs):
            distances[first[r]] += length[r]
        state[0] += stop - i
        i = stop
    return i


@kernel
def _find_runs(
    ids: Int32s,
    start: int,
    stop: int,
    last: Int32s,
    id_at: Int32s,
    now: int,
    first: Int32s,
    length: Int32s,
) -> int:
    """Puts references at the positions from `now` on, and says where they were before.

    Run r of the returned number is of `length[r]` references whose last positions were
    consecutive, from `first[r]` on; -1 for blocks that are new.
    """
    runs = 0
    run = 0
    expected = np.int64(-2)
    # Slices and unsigned places spare the compiled loop the question of negative indices.
    here = ids[start:stop]
    place = id_at[now : now + len(here)]
    for i in range(len(here)):
        block = np.uint32(here[i])
        before = np.int64(last[block])
        last[block] = now + i
        place[i] = here[i]
        if before != expected:
            if i + AHEAD < len(here):
                prefetch(last, np.int64(here[i + AHEAD]))
            if runs:
                length[runs - 1] = run
            first[runs] = before
            runs += 1
            run = 0
            expected = before
        run += 1
        if before >= 0:
            expected += 1
    if runs:
        length[runs - 1] = run
    return runs


@kernel
def _measure(
    runs: int, first: Int32s, length: Int32s, gone: UInt64s, tree: Int32s, live: int
) -> int:
    """Replaces each run's first position by its stack distance, 0 for new blocks.

    The positions of the runs are then gone; returns how many are live.
    """
    for r in range(runs):
        position = int(first[r])
        if position < 0:
            live += length[r]
            first[r] = 0
            continue
        word = position >> 6
        before = _ones(gone[word] & ((_ONE << np.uint64(position & 63)) - _ONE))
        node = word
        while node > 0:
            before += tree[node]
            node &= node - 1
        first[r] = live - (position - before)
        _clear(position, position + length[r], gone, tree)
    return live


@kernel
def _clear(start: int, stop: int, gone: UInt64s, tree: Int32s) -> None:
    """Marks the live positions from `start` to `stop` as gone."""
    while start < stop:
        word = start >> 6
        here = min(stop - start, 64 - (start & 63))
        gone[word] |= (_ALL >> np.uint64(64 - here)) << np.uint64(start & 63)
        node = word + 1
        while node < len(tree):
            tree[node] += np.int32(here)
            node += node & -node
        start += here


@kernel
def _compact(last: Int32s, id_at: Int32s, gone: UInt64s, state: Int64s) -> None:
    used = state[0]
    kept = 0
    for word in range((used + 63) >> 6):
        start = word << 6
        live = ~gone[word]
        if used - start < 64:
            live &= (_ONE << np.uint64(used - start)) - _ONE
        while live != 0:
            # The lowest set bit: as many ones stand below it as its place says.
            block = id_at[start + _ones((live & (~live + _ONE)) - _ONE)]
            id_at[kept] = block
            last[block] = kept
            kept += 1
            live &= live - _ONE
    state[0] = kept


@kernel
def _ones(word: np.uint64) -> int:
    """How many bits are set; compiled to one instruction."""
    count = 0
    while word != 0:
        word &= word - _ONE
        count += 1
    return count
