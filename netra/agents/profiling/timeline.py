"""What is added up for each hour of a workload, and in which row of the sums it stands."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netra.agents.columns import Floats
from netra.analysis.hourly import Series

#: Rows of `HourlySums`: the requests, then what `hourly_measures` gives.
REQUESTS, LIST_COST, FAILED, STATUS, LOG_LATENCY, LATENCY_KNOWN = range(6)
MEASURES = 5


def hourly_measures(read: Mapping[str, Floats]) -> list[Floats]:
    """The measures of a batch, in order; NaN adds nothing."""
    latency = read["latency_ms"]
    positive = latency > 0
    log_latency = np.full(len(latency), np.nan)
    np.log(latency, out=log_latency, where=positive)
    return [
        read["list_cost_usd"],
        read["failed"],
        (~np.isnan(read["failed"])).astype(np.float64),
        log_latency,
        positive.astype(np.float64),
    ]


def iso_hours(series: Series, hour: int) -> str:
    """The start of an hour of a series, UTC."""
    return f"{np.datetime64((series.first + hour) * 3600, 's')}Z"
