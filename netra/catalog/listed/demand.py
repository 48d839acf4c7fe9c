"""Agents of demand and of commitments to capacity."""

from __future__ import annotations

from netra.catalog.agent import AgentSpec
from netra.catalog.params import CommitmentParams, DemandParams

#: What makes a demand series of a workload's requests.
_COUNTED = (
    *("ts", "session_id", "provider", "model", "app", "feature", "environment", "operation"),
    *("tool_name", "input_tokens", "output_tokens"),
)

ENTRIES = (
    AgentSpec(
        name="demand",
        summary="Forecasts demand per series and in total, with intervals tested on past days.",
        pool="cpu",
        path="netra.agents.demand:run",
        params=DemandParams,
        columns=_COUNTED,
        reads_demand=True,
        upstream=("triage",),
        answers=("forecast",),
    ),
    AgentSpec(
        name="commitment",
        summary="How much capacity to commit to at a price ratio, tested on later days.",
        pool="cpu",
        path="netra.agents.commitment:run",
        params=CommitmentParams,
        columns=_COUNTED,
        reads_demand=True,
        upstream=("triage", "demand"),
        on_request=True,
    ),
)
