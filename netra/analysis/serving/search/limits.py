"""What a fleet must hold: percentiles of times, and by which share of its limits it misses them.

A percentile is the order statistic that the profile prints too: the smallest value with at least
the share q of the values at or below it. It exceeds a limit if and only if more than
n - ceil(q n) values do, which is what makes the bounds of this package exact.

Cost: O(n) a limit (selection).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from netra.analysis.compiled import Floats, Int64s
from netra.analysis.serving.simulator import Service

Metric = Literal["ttft", "tpot", "latency"]
METRICS: tuple[Metric, ...] = ("ttft", "tpot", "latency")


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The most that a percentile of a time may be."""

    metric: Metric
    #: Above 0 and below 1.
    q: float
    #: Seconds.
    seconds: float

    def __post_init__(self) -> None:
        """Raises:
        ValueError: the percentile or the limit makes no sense.
        """
        if not (0 < self.q < 1 and self.seconds > 0):
            raise ValueError(f"no limit: {self.metric} at {self.q} below {self.seconds} s")

    @property
    def name(self) -> str:
        """`ttft_p95`."""
        return f"{self.metric}_p{100 * self.q:g}"

    def tightened(self, margin: float) -> Limit:
        """The limit less a safety margin, a share of it."""
        return Limit(metric=self.metric, q=self.q, seconds=self.seconds * (1.0 - margin))


def rank_of(n: int, q: float) -> int:
    """The 1-based rank of the q-percentile among n values."""
    return min(n, max(1, math.ceil(n * q - 1e-9)))


def percentile(values: Floats, q: float) -> float:
    """The q-percentile of values without NaN; NaN of none."""
    if not len(values):
        return math.nan
    k = rank_of(len(values), q) - 1
    return float(np.partition(values, k)[k])


def times_of(
    service: Service, metric: Metric, rows: tuple[int, int] | Int64s | None = None
) -> Floats:
    """The times that a limit of this metric is about; a request of one token has no TPOT."""
    part = slice(*rows) if isinstance(rows, tuple) else slice(None) if rows is None else rows
    if metric == "ttft":
        return service.ttft_s[part]
    if metric == "latency":
        return service.latency_s[part]
    return service.tpot_s[part][service.output_tokens[part] > 1]


def stress_of(values: Sequence[float], limits: Sequence[Limit]) -> float:
    """The largest share of a limit that is used: 1 or less holds them all.

    A percentile of no values (no request has a second token) holds any limit.
    """
    shares = [v / limit.seconds for v, limit in zip(values, limits, strict=True)]
    return max((s for s in shares if not math.isnan(s)), default=0.0)
