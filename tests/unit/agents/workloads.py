"""Handmade workloads: columns that are not given are unknown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from netra.agents.base import Inputs, QuietContext, StageResult, WorkloadInfo
from netra.agents.loading import load_agent
from netra.catalog.agents import get
from netra.catalog.supply import SupplyCatalog
from netra.goals.parse import parse_goal
from netra.ingest.schema import select
from netra.schemas.goal import Goal

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
#: Monday 2026-03-02, 00:00 UTC, microseconds since 1970.
MONDAY_US = 1_772_409_600_000_000
AS_OF = date(2026, 3, 2)
#: Own prices, USD per million tokens, so that no test hangs on a published list.
SUPPLY = SupplyCatalog(
    [
        {
            "kind": "model",
            "name": f"acme/{model}",
            "effective_from": "2020-01-01",
            "content": content,
        }
        for model, content in (
            ("large", {"input": 10, "output": 50, "cache_read": 1, "cache_write_5m": 12.5}),
            ("small", {"input": 1, "output": 4}),
            (
                "tiered",
                {
                    "input": 2,
                    "output": 8,
                    "tiers": [{"above_input_tokens": 1000, "input": 4, "output": 16}],
                },
            ),
        )
    ],
    as_of=AS_OF,
)


def batch(**columns: Sequence[Any]) -> pa.RecordBatch:
    """A batch of the event schema's types with the columns that are given."""
    schema = select(list(columns))
    arrays = [pa.array(list(v), schema.field(n).type) for n, v in columns.items()]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def run_agent(
    name: str,
    events: Mapping[str, Sequence[Any]],
    *,
    goal: str | Goal = "Cut cost by 20 %",
    anchored: bool = True,
    batch_rows: int = 1000,
    upstream: Mapping[str, Mapping[str, Any]] | None = None,
    params: Mapping[str, Any] | None = None,
    context: QuietContext | None = None,
    supply: SupplyCatalog | None = SUPPLY,
) -> StageResult:
    """Runs an agent on `events` (column -> values), cut into batches, in a quiet context."""
    spec = get(name)
    whole = batch(**events)
    rows = whole.num_rows

    def stream() -> Iterator[pa.RecordBatch]:
        for start in range(0, rows, batch_rows):
            yield whole.slice(start, batch_rows)

    inputs = Inputs(
        job_id="job",
        workload=WorkloadInfo(id="workload", name="handmade", anchored=anchored, events=rows),
        goal=parse_goal(goal) if isinstance(goal, str) else goal,
        events=stream,
        upstream=upstream or {},
        supply=supply,
    )
    agent = load_agent(spec)
    return agent(inputs, spec.parse_params(dict(params or {})), context or QuietContext())
