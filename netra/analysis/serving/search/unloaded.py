"""The times of each request if it had a replica to itself: no schedule is faster.

A prompt of p tokens, of which a cache can hold all but t, takes at least ceil(t / budget) steps,
reads its own context at least once, and attends to t (p - t) + t (t + 1) / 2 pairs; each further
token takes a step that reads the context before it. Waiting, other requests and preemptions only
add to this.

Cost: O(n lines).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netra.analysis.compiled import Floats
from netra.analysis.serving.search.limits import Limit, percentile, stress_of
from netra.analysis.serving.search.trace import Trace
from netra.analysis.serving.search.work_rates import WorkRates

#: What sums of many terms may differ by, in another order.
ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Unloaded:
    """Lower bounds in seconds; `tpot_s` of the requests with more than one token only."""

    ttft_s: Floats
    tpot_s: Floats
    latency_s: Floats


def unloaded(trace: Trace, rates: WorkRates, *, budget: int) -> Unloaded:
    """Lower bounds of the times of each request, whatever the fleet's size and schedule.

    Args:
        trace: the requests.
        rates: of one rank.
        budget: the most tokens in a step.
    """
    prompt = trace.input_tokens.astype(np.float64)
    computed = trace.least_read.astype(np.float64)
    chunks = np.ceil(computed / budget)
    by_tokens = np.max(
        rates.step[:, None] * chunks + rates.token[:, None] * computed, axis=0, initial=0.0
    )
    pairs = computed * (prompt - computed + 0.5 * (computed + 1.0))
    ttft = by_tokens + rates.sequence * chunks + rates.kv * prompt + rates.pair * pairs
    later = (trace.output_tokens - 1).astype(np.float64)
    decoding = later * (rates.least + rates.kv * (prompt + 0.5 * (later + 1.0)))
    several = later > 0
    keep = 1.0 - ROUNDING
    return Unloaded(
        ttft_s=ttft * keep,
        tpot_s=decoding[several] / later[several] * keep,
        latency_s=(ttft + decoding) * keep,
    )


def least_stress(found: Unloaded, limits: list[Limit]) -> float:
    """The least share of the limits that any fleet of these replicas uses."""
    times = {"ttft": found.ttft_s, "tpot": found.tpot_s, "latency": found.latency_s}
    return stress_of([percentile(times[limit.metric], limit.q) for limit in limits], limits)
