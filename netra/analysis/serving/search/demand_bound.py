"""Too little hardware for the work: a lower bound on the limits that a number of replicas can hold.

What arrives in a window [a, b] and meets a deadline d has had its work done between a and b + d.
So many replicas have only replicas x ranks x (b - a + d) seconds of steps in that time; of the
requests, as many may be late as the percentile allows, at best those with the most work. This is
the demand bound function of real-time scheduling (Baruah, Rosier & Howell 1990) with exceptions.

The work of a request is what it adds to the times of steps at the least (`work_rates`): its
tokens, its KV reads, its pairs; and, of the part of a step that does not grow with its tokens, the
share of one among as many sequences as may run.

Cost: O(n lines windows) a configuration; O(windows) for each number of replicas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from netra.analysis.compiled import Floats
from netra.analysis.serving.search.limits import Limit, rank_of
from netra.analysis.serving.search.trace import Trace
from netra.analysis.serving.search.unloaded import ROUNDING
from netra.analysis.serving.search.work_rates import WorkRates

#: The trace is looked at as a whole, in halves, quarters, …: so many times.
_HALVINGS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class DemandBound:
    """What windows ask for: with S servers, stress >= (work / S - span) / slack in each."""

    #: Seconds of steps that must run, seconds of the window, seconds of its deadline at stress 1;
    #: shape (windows,).
    work_s: Floats
    span_s: Floats
    slack_s: Floats

    def least_stress(self, servers: int) -> float:
        """The least share of the limits that so many ranks can hold."""
        if not len(self.work_s):
            return 0.0
        shares = (self.work_s / servers - self.span_s) / self.slack_s
        return max(0.0, float(shares.max()) * (1.0 - ROUNDING) - ROUNDING)


def demand_bound(
    trace: Trace, rates: WorkRates, limits: Sequence[Limit], *, budget: int, slots: int
) -> DemandBound:
    """The windows of a trace on ranks that run so many tokens and sequences in a step."""
    reading, all_work = _work(trace, rates, budget=budget, slots=slots)
    n, several = len(trace), int(np.count_nonzero(trace.output_tokens > 1))
    late = {
        limit: (several if limit.metric == "tpot" else n)
        - rank_of(several if limit.metric == "tpot" else n, limit.q)
        for limit in limits
        if several or limit.metric != "tpot"
    }
    rows: list[tuple[float, float, float]] = []
    for low, high in _windows(trace):
        span = float(trace.arrival_s[high - 1] - trace.arrival_s[low])
        for limit, exceptions in late.items():
            if limit.metric != "tpot":
                work = reading if limit.metric == "ttft" else all_work
                rows.append((_without_most(work[:, low:high], exceptions), span, limit.seconds))
        for first in late:
            for each in late:
                if first.metric == "ttft" and each.metric == "tpot":
                    longest = int(trace.output_tokens[low:high].max()) - 1
                    slack = first.seconds + longest * each.seconds
                    exceptions = late[first] + late[each]
                    rows.append((_without_most(all_work[:, low:high], exceptions), span, slack))
    table = np.array(rows, np.float64).reshape(-1, 3)
    return DemandBound(work_s=table[:, 0], span_s=table[:, 1], slack_s=table[:, 2])


def _work(trace: Trace, rates: WorkRates, *, budget: int, slots: int) -> tuple[Floats, Floats]:
    """Seconds of steps that each request adds until its first token, and until its last.

    By line of the rates; each of shape (lines, n).
    """
    prompt = trace.input_tokens.astype(np.float64)
    later = (trace.output_tokens - 1).astype(np.float64)
    computed = trace.least_read.astype(np.float64)
    pairs = computed * (prompt - computed + 0.5 * (computed + 1.0))
    read = rates.sequence + rates.kv * prompt + rates.pair * pairs
    contexts = later * (prompt + 0.5 * (later + 1.0))
    step, token = rates.step[:, None], rates.token[:, None]
    # A step holds at most `budget` tokens, of which at most `slots` are of generating sequences.
    reading = (token + step / budget) * computed + read
    generating = (token + step / slots + rates.sequence) * later + rates.kv * contexts
    return reading, token * computed + read + generating


def _without_most(work: Floats, exceptions: int) -> float:
    """The sum without the so many largest, by the line that gives most; shape (lines, n)."""
    n = work.shape[1]
    if exceptions >= n:
        return 0.0
    kept = n - exceptions
    lowest = np.partition(work, kept - 1, axis=1)[:, :kept] if exceptions else work
    return float(lowest.sum(axis=1).max())


def _windows(trace: Trace) -> list[tuple[int, int]]:
    """Ranges of requests, by time: the whole, its halves, quarters, …; none is empty."""
    start, span = float(trace.arrival_s[0]), trace.span_s
    found: set[tuple[int, int]] = {(0, len(trace))}
    for halving in range(1, _HALVINGS if span > 0 else 1):
        parts = 2**halving
        inner = [start + span * i / parts for i in range(1, parts)]
        rows = [0, *(trace.between(start, edge)[1] for edge in inner), len(trace)]
        found |= {(a, b) for a, b in pairwise(rows) if b > a}
    return sorted(found)
