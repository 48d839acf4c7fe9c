"""Which replica, and which of its ranks, a request goes to; each policy is one function.

The router knows what has finished before the request arrives, and which replicas are on and have
started. Ranks of a replica are chosen as vLLM's own balancer does: least 4 x waiting + running.
"""

from __future__ import annotations

import numpy as np

from netra.analysis.serving.engine import advance
from netra.analysis.serving.engine_state import Limits, Records, State, Times
from netra.analysis.serving.inlined import called, inlined

#: What a waiting request weighs against a running one.
_WAITING_WEIGHT = 4


@inlined
def next_in_turn(replicas: Records, before: int, now: float) -> int:
    """The replica after the one before, of those that take requests."""
    r = (before + 1) % len(replicas)
    while replicas[r]["ready_s"] > now:
        r = (r + 1) % len(replicas)
    return r


@called
def least_loaded(state: State, times: Times, limits: Limits, now: float) -> int:
    """The replica with the fewest unfinished requests; the first of equals."""
    replicas = state.replicas
    best = -1
    for r in range(len(replicas)):
        if replicas[r]["ready_s"] <= now:
            bring_up_to_date(state, times, limits, r, now)
            if best < 0 or replicas[r]["unfinished"] < replicas[best]["unfinished"]:
                best = r
    return best


@inlined
def drawn(replicas: Records, number: np.uint64, now: float) -> int:
    """One of the replicas that take requests, by a random number."""
    ready = 0
    for r in range(len(replicas)):
        if replicas[r]["ready_s"] <= now:
            ready += 1
    # The upper half of a product of 32-bit numbers: a share of the count without a division.
    left = np.int64(((number >> np.uint64(32)) * np.uint64(ready)) >> np.uint64(32))
    r = next_in_turn(replicas, -1, now)
    while left > 0:
        r = next_in_turn(replicas, r, now)
        left -= 1
    return r


@inlined
def bring_up_to_date(state: State, times: Times, limits: Limits, r: int, now: float) -> None:
    """Takes what is due at replica r, unless nothing can have finished there since."""
    if state.replicas[r]["quiet_s"] < now and state.replicas[r]["due_s"] < now:
        advance(state, times, limits, r, now)


@inlined
def lightest_rank(ranks: Records, r: int, count: int) -> int:
    """The rank of replica r with the least load; the first of equals."""
    best = r * count
    least = _WAITING_WEIGHT * ranks[best]["waiting"] + ranks[best]["running"]
    for q in range(best + 1, best + count):
        load = _WAITING_WEIGHT * ranks[q]["waiting"] + ranks[q]["running"]
        if load < least:
            best, least = q, load
    return best


@inlined
def mixed(x: np.uint64) -> np.uint64:
    """SplitMix64's output function (Steele, Lea & Flood, OOPSLA 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
