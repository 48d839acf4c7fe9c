"""How many replicas are on: decided at regular ticks from the requests that have not finished.

The rule is that of Kubernetes' horizontal autoscaler with a stabilization window for scaling down
(https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/).

A replica that is switched off finishes what it has. If it is switched on again before that, the
new one shares its engine with what is left: the one place where two replicas are simulated as one.
One that is switched on after that starts with empty caches.

Cost: O(replicas + cooldown / interval) a tick.
"""

from __future__ import annotations

import math

import numpy as np

from netra.analysis.compiled import Int64s
from netra.analysis.inlined import called, inlined
from netra.analysis.serving.cache_state import Cache
from netra.analysis.serving.engine_state import Limits, Records, Scaling, State, Times
from netra.analysis.serving.prefix_cache import forget
from netra.analysis.serving.routing import bring_up_to_date


@called
def decide_scale(
    state: State,
    times: Times,
    limits: Limits,
    scaling: Scaling,
    tick: int,
    on: int,
    cache: Cache | None,
) -> int:
    """How many replicas are on from a tick on; so many were before."""
    now = tick * scaling.interval_s
    wanted = _wanted(state, times, limits, scaling, now, cache)
    state.schedule[tick, 0] = wanted
    kept = max(wanted, min(on, _most_wanted(state.schedule, scaling, tick)))
    state.schedule[tick, 1] = kept
    _switch(state.replicas, on, kept, now + scaling.startup_s)
    if cache is not None:
        for r in range(on, kept):
            _start_anew(state, limits, r, cache)
    return kept


@inlined
def _wanted(
    state: State,
    times: Times,
    limits: Limits,
    scaling: Scaling,
    now: float,
    cache: Cache | None,
) -> int:
    unfinished = 0
    for r in range(len(state.replicas)):
        bring_up_to_date(state, times, limits, r, now, cache)
        unfinished += state.replicas[r]["unfinished"]
    wanted = math.ceil(unfinished / scaling.target)
    return min(max(wanted, scaling.least), len(state.replicas))


@inlined
def _most_wanted(schedule: Int64s, scaling: Scaling, tick: int) -> int:
    """The most replicas wanted within the cooldown, this tick included."""
    most = 0
    k = tick
    while k >= 0 and (tick - k) * scaling.interval_s <= scaling.cooldown_s:
        most = max(most, schedule[k, 0])
        k -= 1
    return most


@inlined
def _switch(replicas: Records, before: int, after: int, ready_s: float) -> None:
    """Switches on or off what changes; the last ones go first."""
    for r in range(before, after):
        replicas[r]["ready_s"] = ready_s
    for r in range(after, before):
        replicas[r]["ready_s"] = np.inf


@inlined
def _start_anew(state: State, limits: Limits, r: int, cache: Cache) -> None:
    """A replica that has nothing left from before starts with empty caches."""
    if state.replicas[r]["unfinished"] == 0:
        for q in range(r * limits.ranks, (r + 1) * limits.ranks):
            forget(cache, state.ranks[q], q)
