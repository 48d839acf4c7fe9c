"""Demand for the agents to look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from netra.agents.base import Inputs, WorkloadInfo
from netra.models.demand_arrow import DEMAND_SCHEMA
from netra.models.event_arrow import TIMESTAMP
from netra.schemas.goal import Goal

MONDAY_S = 1_767_571_200  # 2026-01-05 00:00 UTC


def rates(days: int, series: int = 3, noise: float = 0.2, seed: int = 0) -> np.ndarray:
    """A daily sine in 10-minute windows, the second series twice the first, …"""
    rng = np.random.default_rng(seed)
    windows = np.arange(days * 144)
    shape = 2.0 + np.sin(2 * np.pi * windows / 144)
    size = 1.0 + np.arange(series)[:, None]
    return size * shape * np.exp(rng.normal(0, noise, (series, len(windows))))


def points(of: np.ndarray, start_s: int = 0) -> pa.RecordBatch:
    """As `netra.ingest.read.demand` and the store give them."""
    series, windows = of.shape
    seconds = start_s + 600 * np.repeat(np.arange(windows), series)
    columns: dict[str, Any] = {
        "ts": pa.array(seconds * 1_000_000, pa.int64()).cast(TIMESTAMP),
        "series": pa.array([f"client-{n}" for n in range(series)] * windows),
        "rate": pa.array(of.T.ravel()),
        "cv": pa.nulls(series * windows, pa.float64()),
        "point_id": pa.array([str(i) for i in range(series * windows)]),
    }
    return pa.RecordBatch.from_pydict(columns).select(DEMAND_SCHEMA.names).cast(DEMAND_SCHEMA)


def inputs(
    *,
    demand: pa.RecordBatch | None = None,
    events: pa.RecordBatch | None = None,
    anchored: bool = True,
) -> Inputs:
    def of(batch: pa.RecordBatch | None) -> Iterator[pa.RecordBatch]:
        return iter(() if batch is None else (batch,))

    return Inputs(
        job_id="",
        workload=WorkloadInfo(id="w", name="w", anchored=anchored, events=0),
        goal=Goal(),
        events=lambda: of(events),
        demand=lambda: of(demand),
    )


def requests(
    times_s: np.ndarray, models: list[str], sessions: list[str] | None = None
) -> pa.RecordBatch:
    """Events in the order of time, of 10 input tokens each."""
    n = len(times_s)
    return pa.RecordBatch.from_pydict(
        {
            "ts": pa.array(np.rint(times_s * 1e6), pa.int64()).cast(TIMESTAMP),
            "model": pa.array(models),
            "session_id": pa.array(sessions if sessions else [None] * n, pa.string()),
            "input_tokens": pa.array([10] * n, pa.uint32()),
            "output_tokens": pa.nulls(n, pa.uint32()),
        }
    )
