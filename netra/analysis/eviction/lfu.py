"""LFU: evicts the block that was used least often since it came in, of equals the least recent.

The count begins at 1 when a block comes in and is forgotten when it leaves ("in-cache LFU";
Podlipnig & Böszörményi, "A survey of Web cache replacement strategies", ACM Computing Surveys
35(4), 2003). One list for each count, in order of last use, as by Shah, Mitra & Matani, "An O(1)
algorithm for implementing the LFU cache eviction scheme" (2010): a block that is used moves to
the end of the next list, so that the beginning of the first non-empty list is the one to evict.

Cost: O(n) time for n references, 16 bytes for each distinct block and each count reached.
"""

from __future__ import annotations

import numpy as np

from netra.analysis.compiled import Int32s
from netra.analysis.inlined import inlined, loop


def lfu_hits(ids: Int32s, distinct: int, capacity: int) -> int:
    """Hits of an LFU cache of `capacity` blocks.

    Args:
        ids: the references in order, each from 0 to `distinct - 1`; shape (n,).
    """
    if capacity < 1 or not len(ids):
        return 0
    most = int(np.bincount(ids).max())
    return _replay(
        ids, capacity, np.zeros(distinct, np.int32), np.empty(distinct, np.int32),
        np.empty(distinct, np.int32), np.full(most + 2, -1, np.int32),
        np.full(most + 2, -1, np.int32),
    )  # fmt: skip


@loop
def _replay(
    ids: Int32s,
    capacity: int,
    count: Int32s,
    older: Int32s,
    newer: Int32s,
    oldest: Int32s,
    newest: Int32s,
) -> int:
    """`count` of a block is 0 while it is not cached; `oldest` and `newest` are by count."""
    used = 0
    hits = 0
    least = 1
    for i in range(len(ids)):
        block = ids[i]
        times = int(count[block])
        if times:
            hits += 1
            _take_out(block, times, older, newer, oldest, newest)
            if times == least and oldest[times] < 0:
                least += 1
        else:
            if used == capacity:
                out = oldest[least]
                _take_out(out, least, older, newer, oldest, newest)
                count[out] = 0
            else:
                used += 1
            least = 1
        times += 1
        count[block] = times
        last = newest[times]
        older[block] = last
        newer[block] = -1
        if last < 0:
            oldest[times] = block
        else:
            newer[last] = block
        newest[times] = block
    return hits


@inlined
def _take_out(
    block: int, times: int, older: Int32s, newer: Int32s, oldest: Int32s, newest: Int32s
) -> None:
    before = older[block]
    after = newer[block]
    if before < 0:
        oldest[times] = after
    else:
        newer[before] = after
    if after < 0:
        newest[times] = before
    else:
        older[after] = before
