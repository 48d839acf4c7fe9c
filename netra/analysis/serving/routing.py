"""Which replica, and which of its ranks, a request goes to; each policy is one function.

The router knows what has finished before the request arrives, and which replicas are on and have
started. Ranks of a replica are chosen as vLLM's own balancer does: least 4 x waiting + running.

The prefix-aware router knows what is in each rank's cache, as those do that follow the engines'
events of blocks stored and removed (llm-d's precise prefix scheduling, AIBrix with its event sync,
SMG): nothing about it has to be assumed. An index of what was sent where (SGLang's, AIBrix's
default) does not see what was evicted, and would need a size and an age that nobody knows. Ranks
have caches of their own, so a rank is what it chooses, as an external balancer does
(`X-data-parallel-rank`). Where the fullest match is too busy, the least busy is taken: AIBrix's
rule (`prefix_cache.go`), whose default of 8 requests is ours too.
"""

from __future__ import annotations

import numpy as np

from netra.analysis.inlined import called, inlined
from netra.analysis.serving.cache_state import Cache
from netra.analysis.serving.engine import advance
from netra.analysis.serving.engine_state import Limits, Records, State, Times
from netra.analysis.serving.prefix_cache import look_up

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
def least_loaded(
    state: State, times: Times, limits: Limits, now: float, cache: Cache | None
) -> int:
    """The replica with the fewest unfinished requests; the first of equals."""
    replicas = state.replicas
    best = -1
    for r in range(len(replicas)):
        if replicas[r]["ready_s"] <= now:
            bring_up_to_date(state, times, limits, r, now, cache)
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
def bring_up_to_date(
    state: State, times: Times, limits: Limits, r: int, now: float, cache: Cache | None
) -> None:
    """Takes what is due at replica r, unless nothing can have started or finished there since."""
    if state.replicas[r]["quiet_s"] < now and state.replicas[r]["due_s"] < now:
        advance(state, times, limits, r, now, cache)


@called
def longest_prefix(
    state: State,
    times: Times,
    limits: Limits,
    i: int,
    now: float,
    least_found: int,
    margin: int,
    cache: Cache,
) -> int:
    """The rank whose cache has most of request i, unless that is little or the rank is busy.

    Little is less than `least_found` blocks, busy is more than `margin` requests more than the rank
    with the fewest has, which is then taken instead. Of equals in the cache the one with fewer
    requests, then the first.
    """
    replicas = state.replicas
    most = -1
    best = -1
    busy = 0
    idlest = -1
    least = 0
    for r in range(len(replicas)):
        if replicas[r]["ready_s"] <= now:
            bring_up_to_date(state, times, limits, r, now, cache)
            _see_evictions(state, times, limits, r, i, now, cache)
            for q in range(r * limits.ranks, (r + 1) * limits.ranks):
                rank = state.ranks[q]
                load = rank["waiting"] + rank["running"]
                found, _ = look_up(cache, state.requests, rank, q, i, limits.block)
                if found > most or (found == most and load < busy):
                    most, best, busy = found, q, load
                if idlest < 0 or load < least:
                    idlest, least = q, load
    return idlest if most < least_found or busy > least + margin else best


@inlined
def _see_evictions(
    state: State, times: Times, limits: Limits, r: int, i: int, now: float, cache: Cache
) -> None:
    """Steps in which nothing starts or ends matter only where they may take what would be found."""
    if state.replicas[r]["due_s"] < now:
        found = 0
        for q in range(r * limits.ranks, (r + 1) * limits.ranks):
            found += look_up(cache, state.requests, state.ranks[q], q, i, limits.block)[0]
        if found > 0:
            advance(state, times, limits, r, now, cache)


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
