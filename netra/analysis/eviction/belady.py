"""Belady's MIN: evicts the block whose next use is farthest away. No policy hits more often.

Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal
5(2), 1966. Every block that is referenced comes in (it may not be passed by). It needs the future,
so it is no policy to run but the bound of all that are.

The cached blocks' next uses are places in the trace, kept in a heap with the farthest on top. A
hit leaves the old place behind, which is past and so below every live one: what is on top is live,
and what is past is thrown out when the heap is full. Blocks that are never used again are only
counted: they go first, and which of them is all the same.

Cost: O(n log c) time for n references and c blocks of capacity, O(n) where blocks come back in
order; 4 bytes for each reference, 8 for each block of capacity.
"""

from __future__ import annotations

import numpy as np

from netra.analysis.compiled import Bools, Int32s, kernel
from netra.analysis.inlined import called, inlined, loop


def next_uses(ids: Int32s, distinct: int) -> Int32s:
    """Where each reference's block is referenced next, n if never; shape (n,).

    Args:
        ids: the references in order, each from 0 to `distinct - 1`; shape (n,), n < 2^31.
    """
    return _next_uses(ids, np.full(distinct, len(ids), np.int32))


def belady_hits(ids: Int32s, distinct: int, capacity: int, following: Int32s | None = None) -> int:
    """Hits of the best possible cache of `capacity` blocks.

    Args:
        ids: the references in order, each from 0 to `distinct - 1`; shape (n,).
        following: what `next_uses` gave, where several capacities are asked for.
    """
    if capacity < 1:
        return 0
    uses = next_uses(ids, distinct) if following is None else following
    room = 2 * min(capacity, distinct) + 64
    return _replay(ids, uses, capacity, np.zeros(distinct, np.bool_), np.empty(room, np.int32))


@kernel
def _next_uses(ids: Int32s, seen: Int32s) -> Int32s:
    following = np.empty(len(ids), np.int32)
    for i in range(len(ids) - 1, -1, -1):
        following[i] = seen[ids[i]]
        seen[ids[i]] = i
    return following


@loop
def _replay(ids: Int32s, following: Int32s, capacity: int, cached: Bools, heap: Int32s) -> int:
    n = len(ids)
    used = 0
    hits = 0
    size = 0
    #: Cached blocks that are never used again.
    done = 0
    for i in range(n):
        block = ids[i]
        if cached[block]:
            hits += 1
        else:
            if used < capacity:
                used += 1
            elif done > 0:
                done -= 1
            else:
                cached[ids[heap[0]]] = False
                size -= 1
                _sift_down(heap, size, 0, heap[size])
            cached[block] = True
        if following[i] == n:
            done += 1
            continue
        if size == len(heap):
            size = _live(heap, size, i)
        _sift_up(heap, size, following[i])
        size += 1
    return hits


@inlined
def _sift_up(heap: Int32s, at: int, value: int) -> None:
    while at > 0 and heap[(at - 1) >> 1] < value:
        heap[at] = heap[(at - 1) >> 1]
        at = (at - 1) >> 1
    heap[at] = value


@inlined
def _sift_down(heap: Int32s, size: int, at: int, value: int) -> None:
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= value:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = value


@called
def _live(heap: Int32s, size: int, now: int) -> int:
    """Throws out the places that are past, and orders the rest anew; returns how many remain."""
    kept = 0
    for k in range(size):
        if heap[k] > now:
            heap[kept] = heap[k]
            kept += 1
    for at in range(kept // 2 - 1, -1, -1):
        _sift_down(heap, kept, at, heap[at])
    return kept
