"""The hits of each policy at several capacities, one replay a capacity.

LRU is not here: `lru_curve` answers for all its capacities at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

from netra.analysis.compiled import Int32s, Int64s
from netra.analysis.eviction.belady import belady_hits, next_uses
from netra.analysis.eviction.lfu import lfu_hits
from netra.analysis.eviction.s3fifo import s3fifo_hits
from netra.analysis.eviction.sieve import sieve_hits

#: Hits of the references (ids, distinct, capacity).
Replay = Callable[[Int32s, int, int], int]

REPLAYS: Final[dict[str, Replay]] = {
    "lfu": lfu_hits,
    "sieve": sieve_hits,
    "s3fifo": s3fifo_hits,
    "belady": belady_hits,
}


def replay_of(policy: str, ids: Int32s, distinct: int) -> Callable[[int], int]:
    """The policy's hits of these references, by capacity.

    Args:
        ids: the references in order, each from 0 to `distinct - 1`; shape (n,).

    Raises:
        ValueError: the policy is not one of `REPLAYS`.
    """
    if policy not in REPLAYS:
        raise ValueError(f"policy is {policy!r}, not one of {', '.join(REPLAYS)}")
    replay = REPLAYS[policy]
    following = next_uses(ids, distinct) if policy == "belady" else None

    def hits(capacity: int) -> int:
        if capacity >= distinct:
            # Nothing is ever evicted, whatever the policy.
            return len(ids) - distinct
        if following is not None:
            return belady_hits(ids, distinct, capacity, following)
        return replay(ids, distinct, capacity)

    return hits


def hits_at(policy: str, ids: Int32s, distinct: int, capacities: Iterable[int]) -> Int64s:
    """The policy's hits at each capacity, in their order."""
    hits = replay_of(policy, ids, distinct)
    return np.array([hits(capacity) for capacity in capacities], np.int64)
