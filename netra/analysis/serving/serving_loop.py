"""The loop over requests and ticks: the whole simulation as one compiled function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netra.analysis.serving import (
    autoscaling,
    engine,
    engine_state,
    routing,
    scheduler,
    step_heap,
    timeline,
)
from netra.analysis.serving.autoscaling import decide_scale
from netra.analysis.serving.engine import advance
from netra.analysis.serving.engine_state import Limits, Scaling, State, Times
from netra.analysis.serving.inlined import fingerprint, inlined, loop
from netra.analysis.serving.routing import drawn, least_loaded, lightest_rank, mixed, next_in_turn
from netra.analysis.serving.scheduler import join_queue

ROUND_ROBIN = 0
LEAST_LOADED = 1
RANDOM = 2

#: SplitMix64's increment.
_GOLDEN = 0x9E3779B97F4A7C15


@inlined
def _deliver(state: State, times: Times, limits: Limits, r: int, i: int, arrival: float) -> None:
    """Puts request i into the queue of a rank of replica r; wakes the replica if it idles."""
    advance(state, times, limits, r, arrival)
    q = lightest_rank(state.ranks, r, limits.ranks)
    state.requests[i]["place"] = q
    join_queue(state.requests, state.ranks[q], i)
    replica = state.replicas[r]
    replica["unfinished"] += 1
    replica["quiet_s"] = -np.inf
    if replica["due_s"] == np.inf:
        replica["due_s"] = arrival


def _compiled(
    parts: str,
) -> Callable[[State, Times, Limits, Scaling, int, int], None]:
    @loop
    def serve_all(
        state: State, times: Times, limits: Limits, scaling: Scaling, policy: int, seed: int
    ) -> None:
        _ = parts
        draw = np.uint64(seed)
        turn = -1
        tick = 0
        on = scaling.least
        for i in range(len(state.requests)):
            arrival = state.requests[i]["arrival_s"]
            while tick < len(state.schedule) and tick * scaling.interval_s <= arrival:
                on = decide_scale(state, times, limits, scaling, tick, on)
                tick += 1
            if policy == LEAST_LOADED:
                r = least_loaded(state, times, limits, arrival)
            elif policy == RANDOM:
                draw += np.uint64(_GOLDEN)
                r = drawn(state.replicas, mixed(draw), arrival)
            else:
                turn = next_in_turn(state.replicas, turn, arrival)
                r = turn
            _deliver(state, times, limits, r, i, arrival)
        for r in range(len(state.replicas)):
            advance(state, times, limits, r, np.inf)

    return serve_all


#: Brings every request to a replica when it arrives, and runs until all have finished.
serve_all = _compiled(
    fingerprint(autoscaling, engine, engine_state, routing, scheduler, step_heap, timeline)
)
