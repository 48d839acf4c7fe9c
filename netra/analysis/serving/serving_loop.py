"""The loop over requests and ticks: the whole simulation as one compiled function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from netra.analysis.inlined import fingerprint, inlined, loop
from netra.analysis.serving import (
    autoscaling,
    cache_state,
    engine,
    engine_state,
    prefix_cache,
    routing,
    scheduler,
    step_heap,
    timeline,
)
from netra.analysis.serving.autoscaling import decide_scale
from netra.analysis.serving.cache_state import Cache
from netra.analysis.serving.engine import advance
from netra.analysis.serving.engine_state import Limits, Scaling, State, Times
from netra.analysis.serving.routing import (
    drawn,
    least_loaded,
    lightest_rank,
    longest_prefix,
    mixed,
    next_in_turn,
)
from netra.analysis.serving.scheduler import join_queue

ROUND_ROBIN = 0
LEAST_LOADED = 1
RANDOM = 2
PREFIX_AWARE = 3

#: SplitMix64's increment.
_GOLDEN = 0x9E3779B97F4A7C15


class Router(NamedTuple):
    """The router's settings."""

    policy: int
    seed: int
    #: See `Fleet`.
    share: float
    margin: int


@inlined
def _deliver(
    state: State,
    times: Times,
    limits: Limits,
    r: int,
    rank: int,
    i: int,
    arrival: float,
    cache: Cache | None,
) -> None:
    """Puts request i into the queue of this rank, or of the lightest one of replica r if it is -1.

    Wakes the replica if it idles.
    """
    advance(state, times, limits, r, arrival, cache)
    q = rank if rank >= 0 else lightest_rank(state.ranks, r, limits.ranks)
    state.requests[i]["place"] = q
    join_queue(state.requests, state.ranks[q], i)
    replica = state.replicas[r]
    replica["unfinished"] += 1
    replica["quiet_s"] = -np.inf
    if replica["due_s"] == np.inf:
        replica["due_s"] = arrival


def _compiled(
    parts: str,
) -> Callable[[State, Times, Limits, Scaling, Router, Cache | None], None]:
    @loop
    def serve_all(
        state: State,
        times: Times,
        limits: Limits,
        scaling: Scaling,
        router: Router,
        cache: Cache | None,
    ) -> None:
        _ = parts
        draw = np.uint64(router.seed)
        turn = -1
        tick = 0
        on = scaling.least
        for i in range(len(state.requests)):
            arrival = state.requests[i]["arrival_s"]
            while tick < len(state.schedule) and tick * scaling.interval_s <= arrival:
                on = decide_scale(state, times, limits, scaling, tick, on, cache)
                tick += 1
            q = -1
            if cache is not None and router.policy == PREFIX_AWARE:
                blocks = router.share * state.requests[i]["prompt"] / limits.block
                q = longest_prefix(
                    state, times, limits, i, arrival, math.ceil(blocks), router.margin, cache
                )
                r = q // limits.ranks
            elif router.policy == LEAST_LOADED:
                r = least_loaded(state, times, limits, arrival, cache)
            elif router.policy == RANDOM:
                draw += np.uint64(_GOLDEN)
                r = drawn(state.replicas, mixed(draw), arrival)
            else:
                turn = next_in_turn(state.replicas, turn, arrival)
                r = turn
            _deliver(state, times, limits, r, q, i, arrival, cache)
        for r in range(len(state.replicas)):
            advance(state, times, limits, r, np.inf, cache)

    return serve_all


#: Brings every request to a replica when it arrives, and runs until all have finished.
serve_all = _compiled(
    fingerprint(
        autoscaling,
        cache_state,
        engine,
        engine_state,
        prefix_cache,
        routing,
        scheduler,
        step_heap,
        timeline,
    )
)
