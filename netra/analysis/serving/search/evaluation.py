"""One fleet on the trace: what it reaches, or why it need not be simulated to the end.

A simulation of the first arrivals alone is exact up to the arrival after them, since nothing that
arrives later changes what happened before. What it shows of each request by then, with 0 for those
yet to come, lies below what a simulation of the whole trace shows; so do the percentiles.

Cost: that of one simulation, or of the part that was enough to rule the fleet out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netra.analysis.compiled import Floats, Int64s
from netra.analysis.serving.search.configuration import Candidate
from netra.analysis.serving.search.limits import (
    METRICS,
    Limit,
    Metric,
    percentile,
    stress_of,
    times_of,
)
from netra.analysis.serving.search.trace import Trace
from netra.analysis.serving.search.unloaded import ROUNDING
from netra.analysis.serving.simulator import Service, simulate

#: The part of the trace that is simulated first, and how many requests make that worth it.
_PROBE_SHARE = 0.2
_PROBED_FROM = 1000

#: The percentiles that a report prints, whatever the limits are.
REPORTED = (0.5, 0.95, 0.99)


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What a fleet reaches on the trace."""

    candidate: Candidate
    #: The largest share of a limit, the safety margin taken off, that is used; 1 or less holds.
    stress: float
    #: The percentile of each limit, in the limits' order, seconds.
    values: tuple[float, ...]
    #: `{"ttft_p95": seconds, …}`.
    percentiles: dict[str, float]

    @property
    def holds(self) -> bool:
        return self.stress <= 1.0


def serve(trace: Trace, candidate: Candidate) -> Service:
    """What becomes of the requests on this fleet."""
    configuration = candidate.configuration
    return simulate(
        trace.arrival_s,
        trace.input_tokens,
        trace.output_tokens,
        fleet=configuration.fleet(candidate.replicas),
        table=configuration.table,
        prefixes=trace.prefixes,
    )


def evaluate(trace: Trace, candidate: Candidate, limits: Sequence[Limit]) -> Evaluation:
    """Serves the whole trace."""
    return evaluation_of(serve(trace, candidate), candidate, limits)


def evaluation_of(
    service: Service,
    candidate: Candidate,
    limits: Sequence[Limit],
    rows: tuple[int, int] | Int64s | None = None,
) -> Evaluation:
    """What the times of a simulated fleet amount to, of all requests, a range, or some of them."""
    times = {metric: times_of(service, metric, rows) for metric in METRICS}
    values = tuple(percentile(times[limit.metric], limit.q) for limit in limits)
    return Evaluation(
        candidate=candidate,
        stress=stress_of(values, limits),
        values=values,
        percentiles={
            f"{metric}_p{100 * q:g}": percentile(times[metric], q)
            for metric in METRICS
            for q in REPORTED
        },
    )


def probe(trace: Trace, candidate: Candidate, limits: Sequence[Limit]) -> float:
    """The stress that the first part of the trace makes certain; 0 for a trace too short for it."""
    n = len(trace)
    first = int(n * _PROBE_SHARE)
    if n < _PROBED_FROM or first < 1:
        return 0.0
    until = float(trace.arrival_s[first])
    service = serve(trace.head(first), candidate)
    several = trace.output_tokens > 1
    values: list[float] = []
    for limit in limits:
        seen = np.zeros(n)
        seen[:first] = _seen(service, limit.metric, until)
        values.append(percentile(seen[several] if limit.metric == "tpot" else seen, limit.q))
    return stress_of(values, limits) * (1.0 - ROUNDING)


def _seen(service: Service, metric: Metric, until: float) -> Floats:
    """The times as far as they had passed at an instant; 0 for a TPOT that had not begun."""
    first = np.minimum(service.first_token_s, until)
    if metric == "ttft":
        return first - service.arrival_s
    finish = np.minimum(service.finish_s, until)
    if metric == "latency":
        return finish - service.arrival_s
    return (finish - first) / np.maximum(service.output_tokens - 1, 1)
