"""SIEVE: a queue, a hand that moves from its tail to its head, and a bit for each block.

Zhang, Yang, Yue, Vigfusson & Rashmi, "SIEVE is simpler than LRU: an efficient turn-key eviction
algorithm for web caches", NSDI 2024, algorithm 1. A hit sets the block's bit and moves nothing. To
evict, the hand clears bits until it finds one that is not set, evicts that block and stays at its
place; past the head it begins again at the tail. New blocks come in at the head, bit not set.

Cost: O(n) time for n references (each step of the hand clears a bit that a hit set, or evicts);
10 bytes for each distinct block.
"""

from __future__ import annotations

import numpy as np

from netra.analysis.compiled import Bools, Int32s, kernel


def sieve_hits(ids: Int32s, distinct: int, capacity: int) -> int:
    """Hits of a SIEVE cache of `capacity` blocks.

    Args:
        ids: the references in order, each from 0 to `distinct - 1`; shape (n,).
    """
    if capacity < 1:
        return 0
    return _replay(
        ids, capacity, np.zeros(distinct, np.bool_), np.zeros(distinct, np.bool_),
        np.empty(distinct, np.int32), np.empty(distinct, np.int32),
    )  # fmt: skip


@kernel
def _replay(
    ids: Int32s, capacity: int, cached: Bools, visited: Bools, older: Int32s, newer: Int32s
) -> int:
    used = 0
    hits = 0
    head = np.int32(-1)
    tail = np.int32(-1)
    hand = np.int32(-1)
    for i in range(len(ids)):
        block = ids[i]
        if cached[block]:
            hits += 1
            visited[block] = True
            continue
        if used == capacity:
            at = tail if hand < 0 else hand
            while visited[at]:
                visited[at] = False
                at = tail if newer[at] < 0 else newer[at]
            hand = newer[at]
            before = older[at]
            if before < 0:
                tail = hand
            else:
                newer[before] = hand
            if hand < 0:
                head = before
            else:
                older[hand] = before
            cached[at] = False
        else:
            used += 1
        older[block] = head
        newer[block] = -1
        if head < 0:
            tail = block
        else:
            newer[head] = block
        head = block
        cached[block] = True
        visited[block] = False
    return hits
