"""Hours that stand out: more traffic, more failures, more latency than usual."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from netra.agents.profiling.sourced import Sourced
from netra.agents.profiling.timeline import FAILED, LATENCY_KNOWN, LOG_LATENCY, REQUESTS, STATUS
from netra.agents.profiling.timeline import iso_hours as iso
from netra.analysis.anomalies import MIN_PERIODS, THRESHOLD, Unusual, unusual_hours
from netra.analysis.error_bursts import ALPHA, error_bursts
from netra.analysis.hourly import HourlySums, Series
from netra.analysis.seasonality import DAY, WEEK
from netra.errors import InsufficientData

#: Rows of the table, the worst of each kind first.
_MAX_ROWS = 20
#: Requests an hour needs, to be judged.
_LEAST = 20


def incident_table(hourly: HourlySums, sourced: Sourced) -> dict[str, Any] | None:
    """Unusual hours with what was seen and expected; None: the trace is too short to tell."""
    hours = hourly.whole_hours()
    if hours is None or hours.sums.shape[1] < MIN_PERIODS * DAY:
        return None
    period = WEEK if hours.sums.shape[1] >= MIN_PERIODS * WEEK else DAY
    rows = [*_counts(hours, period), *_failures(hours), *_latency(hours, period)]
    season = "hour of the week" if period == WEEK else "hour of the day"
    return sourced.table(
        "unusual_hours",
        "Hours that stand out",
        [("hour, UTC", ""), ("what", ""), ("seen", ""), ("usual", ""), ("requests", "requests")],
        rows,
        n=int(hours.sums[REQUESTS].sum()),
        method=f"requests and geometric mean latency against the median of the same {season},"
        f" beyond {THRESHOLD:g} spreads (median absolute deviation); failures against the overall"
        f" rate (Chernoff bound, chance below {ALPHA:g} over all hours)",
        reads=["ts", "status", "latency_ms"],
    )


def _counts(hours: Series, period: int) -> Iterator[list[Any]]:
    counts = hours.sums[REQUESTS]
    # half a request more, so that an hour without any has a logarithm and can stand out
    for one in _unusual(counts + 0.5, None, period):
        seen, usual = one.value - 0.5, one.expected - 0.5
        yield [iso(hours, one.hour), "requests", seen, usual, int(seen)]


def _failures(hours: Series) -> Iterator[list[Any]]:
    for burst in error_bursts(hours.sums[FAILED], hours.sums[STATUS])[:_MAX_ROWS]:
        seen = burst.failed / burst.requests
        yield [iso(hours, burst.hour), "error rate", seen, burst.usual_rate, burst.requests]


def _latency(hours: Series, period: int) -> Iterator[list[Any]]:
    known = hours.sums[LATENCY_KNOWN]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.exp(hours.sums[LOG_LATENCY] / known)
    for one in _unusual(mean, known, period):
        if one.score > 0:
            yield [
                *(iso(hours, one.hour), "latency, ms", one.value, one.expected),
                int(known[one.hour]),
            ]


def _unusual(values: np.ndarray, weights: np.ndarray | None, period: int) -> list[Unusual]:
    try:
        found = unusual_hours(values, weights, period, least_weight=_LEAST)
    except InsufficientData:
        return []
    return found[:_MAX_ROWS]
