"""Agents of serving one's own models."""

from __future__ import annotations

from netra.catalog.agent import AgentSpec
from netra.catalog.params.capacity import CapacityParams

ENTRIES = (
    AgentSpec(
        name="capacity",
        summary="The cheapest fleet of GPUs that holds latency limits on the trace itself.",
        pool="cpu",
        path="netra.agents.capacity:run",
        params=CapacityParams,
        columns=(
            *("ts", "session_id", "input_tokens", "output_tokens"),
            *("prefix_hashes", "block_tokens"),
        ),
        upstream=("triage", "serving-fit"),
        on_request=True,
    ),
)
