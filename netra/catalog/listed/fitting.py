"""Agents that fit models of serving engines to what the engines logged."""

from __future__ import annotations

from netra.catalog.agent import AgentSpec
from netra.catalog.params import ServingFitParams

ENTRIES = (
    AgentSpec(
        name="serving-fit",
        summary="Calibrates a model of a serving engine on its log, and scores it on the rest.",
        pool="cpu",
        path="netra.agents.serving_fit:run",
        params=ServingFitParams,
        columns=(
            *("ts", "input_tokens", "output_tokens"),
            *("queued_ms", "ttft_ms", "latency_ms", "attributes"),
        ),
        lenient=True,
        upstream=("triage",),
        on_request=True,
    ),
)
