"""How many replicas each window of the trace needs, if their number may change between windows.

Each window is served on its own, after the requests of a while before it as a warm-up: the number
is what the window's own traffic needs, and presumes that replicas are ready when it begins and
that the window before did not leave a backlog. Where a fleet that serves all the trace holds the
limits in the window too, it needs no more than that fleet has.

Cost: that of `least_replicas` over each window: O(n) simulated requests for each number tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netra.analysis.serving.search.configuration import Candidate, Configuration
from netra.analysis.serving.search.evaluation import evaluation_of, serve
from netra.analysis.serving.search.limits import Limit
from netra.analysis.serving.search.trace import Trace
from netra.analysis.serving.simulator import Service
from netra.errors import StageCancelled


@dataclass(frozen=True, kw_only=True)
class WindowNeed:
    """One window."""

    #: Seconds on the trace's clock.
    start_s: float
    end_s: float
    requests: int
    #: The least replicas that hold the limits, 1 where nothing arrives; the most that were tried
    #: if none does.
    replicas: int
    holds: bool


def replica_schedule(
    trace: Trace,
    configuration: Configuration,
    limits: Sequence[Limit],
    *,
    window_s: float,
    warm_up_s: float,
    most: int,
    served: tuple[int, Service] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[WindowNeed]:
    """The need of each window from the first arrival to the last.

    Args:
        trace: the requests.
        configuration: of each replica.
        limits: with the safety margin taken off.
        window_s: seconds of a window.
        warm_up_s: seconds before a window whose requests are served first.
        most: replicas that are tried.
        served: so many replicas, and what became of all the trace with them.
        cancelled: says whether to stop.

    Raises:
        StageCancelled: it was asked to stop.
    """
    found: list[WindowNeed] = []
    start = float(trace.arrival_s[0])
    # The last window holds the last arrival, also where it begins with it.
    count = max(1, math.ceil(trace.span_s / window_s - 1e-9))
    for k in range(count):
        if cancelled and cancelled():
            raise StageCancelled
        span = (start + k * window_s, start + (k + 1) * window_s)
        rows = trace.between(span[0], span[1] if k < count - 1 else math.inf)
        known: int | None = None
        if served is not None and rows[1] > rows[0]:
            fleet = Candidate(configuration=configuration, replicas=served[0])
            if evaluation_of(served[1], fleet, limits, rows).holds:
                known = served[0]
        found.append(_need(trace, configuration, limits, span, rows, warm_up_s, most, known))
    return found


def _need(
    trace: Trace,
    configuration: Configuration,
    limits: Sequence[Limit],
    span: tuple[float, float],
    rows: tuple[int, int],
    warm_up_s: float,
    most: int,
    known: int | None,
) -> WindowNeed:
    low, high = rows
    before, _ = trace.between(span[0] - warm_up_s, span[1])
    replicas, holds = 1, True
    if high > low:
        served = trace.part(before, high)
        for replicas in range(1, most + 1):
            if replicas == known:
                holds = True
                break
            candidate = Candidate(configuration=configuration, replicas=replicas)
            service = serve(served, candidate)
            own = (low - before, high - before)
            holds = evaluation_of(service, candidate, limits, own).holds
            if holds:
                break
    return WindowNeed(
        start_s=span[0], end_s=span[1], requests=high - low, replicas=replicas, holds=holds
    )
