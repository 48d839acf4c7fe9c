"""Agents on files of the shared real traces, read as `netra analyze` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netra.agents.base import Inputs, QuietContext, StageResult, WorkloadInfo
from netra.agents.loading import load_agent
from netra.catalog.agents import get
from netra.catalog.supply import SupplyCatalog
from netra.ingest.read import events
from netra.schemas.goal import Goal


def run_on_file(name: str, path: Path, supply: SupplyCatalog, **params: Any) -> StageResult:
    """Runs an agent on all events of a trace."""
    spec = get(name)
    info, count, stream = events(path, spec.columns, lenient=spec.lenient)
    inputs = Inputs(
        job_id="job",
        workload=WorkloadInfo(id="trace", name=path.name, anchored=info.anchored, events=count),
        goal=Goal(),
        events=stream,
        supply=supply,
    )
    return load_agent(spec)(inputs, spec.parse_params(params), QuietContext())
