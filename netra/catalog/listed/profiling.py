"""Agents that say what a workload is and what it can answer."""

from __future__ import annotations

from netra.catalog.agent import AgentSpec
from netra.catalog.params import ProfileParams
from netra.models.event import EVENT_COLUMN_NAMES

ENTRIES = (
    AgentSpec(
        name="triage",
        summary="Judges what the workload can answer: which columns, levers and parts of the goal.",
        pool="cpu",
        path="netra.agents.triage:run",
        columns=tuple(
            "prefix_blocks" if c == "prefix_hashes" else c
            for c in EVENT_COLUMN_NAMES
            if c not in ("event_id", "attributes")
        ),
    ),
    AgentSpec(
        name="profile",
        summary="Usage, cost at list prices, latency percentiles, errors, trend and seasons.",
        pool="cpu",
        path="netra.agents.profile:run",
        params=ProfileParams,
        columns=(
            *("ts", "provider", "model", "app", "feature", "user_id", "tool_name", "operation"),
            *("environment", "session_id", "input_tokens", "output_tokens", "cached_input_tokens"),
            *("cache_write_tokens", "reasoning_tokens", "queued_ms", "ttft_ms", "latency_ms"),
            *("status", "error_code", "cost_usd", "quality"),
        ),
        upstream=("triage",),
    ),
)
