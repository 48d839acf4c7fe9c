"""S3-FIFO: a small queue for newcomers, a main queue for the proven, and a ghost of the evicted.

Yang, Zhang, Qiu, Yue & Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023,
section 4, with the details of the authors' own simulation (libCacheSim, `S3FIFOv0`): the small
queue's share is a tenth of the capacity, the ghost remembers as many blocks as the main queue
holds (nine tenths); a block leaves the small queue for the main one, its count cleared, if it was
hit more than once, else it is evicted and remembered; a block at the main queue's end whose count
(at most 3) is not 0 goes back to its beginning with the count less 1. The main queue evicts when
it holds more than its share, else the small one does. A block that the ghost remembers comes in at
the main queue. While the cache is not full nothing is evicted, and the small queue may be longer.

Cost: O(n) time for n references; 10 bytes for each distinct block.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from netra.analysis.compiled import Int32s, Int64s
from netra.analysis.inlined import called, inlined, loop

Int8s = npt.NDArray[np.int8]

_SMALL, _MAIN, _GHOST = 1, 2, 3
_MOST = 3


def s3fifo_hits(ids: Int32s, distinct: int, capacity: int) -> int:
    """Hits of an S3-FIFO cache of `capacity` blocks; the small queue's share is at least 1.

    Args:
        ids: the references in order, each from 0 to `distinct - 1`; shape (n,).
    """
    if capacity < 1:
        return 0
    return _replay(
        ids, capacity, max(capacity // 10, 1), capacity * 9 // 10, np.zeros(distinct, np.int8),
        np.zeros(distinct, np.int8), np.empty(distinct, np.int32), np.empty(distinct, np.int32),
        np.full(4, -1, np.int32), np.full(4, -1, np.int32), np.zeros(4, np.int64),
    )  # fmt: skip


@loop
def _replay(
    ids: Int32s,
    capacity: int,
    small: int,
    remembered: int,
    queue: Int8s,
    count: Int8s,
    older: Int32s,
    newer: Int32s,
    oldest: Int32s,
    newest: Int32s,
    length: Int64s,
) -> int:
    """`queue` says where a block is, 0 for nowhere; `oldest`, `newest`, `length` are by queue."""
    hits = 0
    for i in range(len(ids)):
        block = ids[i]
        where = queue[block]
        if 0 < where < _GHOST:
            hits += 1
            if count[block] < _MOST:
                count[block] += 1
            continue
        if where == _GHOST:
            _take_out(block, queue, older, newer, oldest, newest, length)
        while length[_SMALL] + length[_MAIN] >= capacity:
            if length[_MAIN] > capacity - small or length[_SMALL] == 0:
                _evict_main(queue, count, older, newer, oldest, newest, length)
            else:
                _evict_small(queue, count, older, newer, oldest, newest, length, remembered)
        count[block] = 0
        to = _MAIN if where == _GHOST else _SMALL
        _put(block, to, queue, older, newer, oldest, newest, length)
    return hits


@called
def _evict_small(
    queue: Int8s,
    count: Int8s,
    older: Int32s,
    newer: Int32s,
    oldest: Int32s,
    newest: Int32s,
    length: Int64s,
    remembered: int,
) -> None:
    """Moves blocks to the main queue until one is evicted, or the small queue is empty."""
    while length[_SMALL] > 0:
        block = oldest[_SMALL]
        _take_out(block, queue, older, newer, oldest, newest, length)
        if count[block] > 1:
            count[block] = 0
            _put(block, _MAIN, queue, older, newer, oldest, newest, length)
            continue
        if remembered:
            if length[_GHOST] == remembered:
                _take_out(oldest[_GHOST], queue, older, newer, oldest, newest, length)
            _put(block, _GHOST, queue, older, newer, oldest, newest, length)
        return


@called
def _evict_main(
    queue: Int8s,
    count: Int8s,
    older: Int32s,
    newer: Int32s,
    oldest: Int32s,
    newest: Int32s,
    length: Int64s,
) -> None:
    while length[_MAIN] > 0:
        block = oldest[_MAIN]
        _take_out(block, queue, older, newer, oldest, newest, length)
        if count[block] == 0:
            return
        count[block] -= 1
        _put(block, _MAIN, queue, older, newer, oldest, newest, length)


@inlined
def _put(
    block: int,
    to: int,
    queue: Int8s,
    older: Int32s,
    newer: Int32s,
    oldest: Int32s,
    newest: Int32s,
    length: Int64s,
) -> None:
    last = newest[to]
    older[block] = last
    newer[block] = -1
    if last < 0:
        oldest[to] = block
    else:
        newer[last] = block
    newest[to] = block
    queue[block] = to
    length[to] += 1


@inlined
def _take_out(
    block: int,
    queue: Int8s,
    older: Int32s,
    newer: Int32s,
    oldest: Int32s,
    newest: Int32s,
    length: Int64s,
) -> None:
    where = queue[block]
    before = older[block]
    after = newer[block]
    if before < 0:
        oldest[where] = after
    else:
        newer[before] = after
    if after < 0:
        newest[where] = before
    else:
        older[after] = before
    queue[block] = 0
    length[where] -= 1
