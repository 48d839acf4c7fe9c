"""Agents that only tests and measurements use."""

from __future__ import annotations

from netra.catalog.agent import AgentSpec
from netra.catalog.params import NoopParams

ENTRIES = (
    AgentSpec(
        name="noop",
        summary="Does nothing, or sleeps, fails or reports progress on request: for measurements.",
        pool="cpu",
        path="netra.agents.noop:run",
        params=NoopParams,
        internal=True,
    ),
    AgentSpec(
        name="noop-short",
        summary="The noop agent, as one of those that are claimed several at once.",
        pool="cpu",
        path="netra.agents.noop:run",
        params=NoopParams,
        short=True,
        internal=True,
    ),
    AgentSpec(
        name="noop-gpu",
        summary="The noop agent on the gpu pool.",
        pool="gpu",
        path="netra.agents.noop:run",
        params=NoopParams,
        internal=True,
    ),
)
