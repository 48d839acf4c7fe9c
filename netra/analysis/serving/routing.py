"""Which replica, and which of its ranks, a request goes to; each policy is one function.

The router knows what has finished before the request arrives. Ranks of a replica are chosen as
vLLM's own balancer does: the least of 4 x waiting + running.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netra.analysis.serving import engine, engine_state, scheduler, step_heap, timeline
from netra.analysis.serving.engine import advance
from netra.analysis.serving.engine_state import Limits, Records, State, Times
from netra.analysis.serving.inlined import fingerprint, inlined, loop
from netra.analysis.serving.scheduler import join_queue

ROUND_ROBIN = 0
LEAST_LOADED = 1
RANDOM = 2

#: What a waiting request weighs against a running one.
_WAITING_WEIGHT = 4


@inlined
def _deliver(state: State, times: Times, limits: Limits, r: int, i: int, arrival: float) -> None:
    """Puts request i into the queue of a rank of replica r; wakes the replica if it idles."""
    advance(state, times, limits, r, arrival)
    q = _lightest_rank(state.ranks, r, limits.ranks)
    state.requests[i]["place"] = q
    join_queue(state.requests, state.ranks[q], i)
    replica = state.replicas[r]
    replica["unfinished"] += 1
    replica["quiet_s"] = -np.inf
    if replica["due_s"] == np.inf:
        replica["due_s"] = arrival


@inlined
def _least_loaded(state: State, times: Times, limits: Limits, arrival: float) -> int:
    """The replica with the fewest unfinished requests; the first of equals."""
    best = 0
    for r in range(len(state.replicas)):
        # A replica in which nothing has finished since need not be brought up to date.
        if state.replicas[r]["quiet_s"] < arrival:
            advance(state, times, limits, r, arrival)
        if state.replicas[r]["unfinished"] < state.replicas[best]["unfinished"]:
            best = r
    return best


@inlined
def _lightest_rank(ranks: Records, r: int, count: int) -> int:
    best = r * count
    least = _WAITING_WEIGHT * ranks[best]["waiting"] + ranks[best]["running"]
    for q in range(best + 1, best + count):
        load = _WAITING_WEIGHT * ranks[q]["waiting"] + ranks[q]["running"]
        if load < least:
            best, least = q, load
    return best


@inlined
def _mixed(x: np.uint64) -> np.uint64:
    """SplitMix64's output function (Steele, Lea & Flood, OOPSLA 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _compiled(parts: str) -> Callable[[State, Times, Limits, int, int], None]:
    @loop
    def serve_all(state: State, times: Times, limits: Limits, routing: int, seed: int) -> None:
        _ = parts
        replicas = len(state.replicas)
        draw = np.uint64(seed)
        for i in range(len(state.requests)):
            arrival = state.requests[i]["arrival_s"]
            if routing == LEAST_LOADED:
                r = _least_loaded(state, times, limits, arrival)
            elif routing == RANDOM:
                draw += np.uint64(0x9E3779B97F4A7C15)
                r = int(_mixed(draw) >> np.uint64(33)) % replicas
            else:
                r = i % replicas
            _deliver(state, times, limits, r, i, arrival)
        for r in range(replicas):
            advance(state, times, limits, r, np.inf)

    return serve_all


#: Brings every request to a replica when it arrives, and runs until all have finished.
serve_all = _compiled(fingerprint(engine, engine_state, scheduler, step_heap, timeline))
