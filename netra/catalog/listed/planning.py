"""Agents that choose levers, verify them and report."""

from __future__ import annotations

from netra.catalog.agent import AgentSpec
from netra.catalog.listed.caching import PROMPT_COLUMNS
from netra.catalog.params import BacktestParams, PlanParams

#: What planning needs beside the replay: what was paid, and what a goal may select by.
_PLANNED_COLUMNS = (
    *PROMPT_COLUMNS,
    *("cached_input_tokens", "cache_write_tokens", "cost_usd"),
    *("app", "environment", "user_id", "operation", "tool_name", "status"),
)

ENTRIES = (
    AgentSpec(
        name="plan",
        summary="The levers that are jointly best, chosen on the first part of the traffic alone.",
        pool="cpu",
        path="netra.agents.plan:run",
        params=PlanParams,
        columns=_PLANNED_COLUMNS,
        upstream=("triage", "profile", "caching", "prompt-cache"),
        answers=("optimize", "audit_caching"),
    ),
    AgentSpec(
        name="backtest",
        summary="The frozen plan on traffic that it has not seen, with bootstrap intervals.",
        pool="gpu",
        path="netra.agents.backtest:run",
        params=BacktestParams,
        columns=_PLANNED_COLUMNS,
        upstream=("triage", "plan"),
        answers=("optimize", "audit_caching"),
    ),
    AgentSpec(
        name="report",
        summary="The answer, its figures and recommendations, and what cannot be said and why.",
        pool="cpu",
        path="netra.agents.report:run",
        columns=(
            *("ts", "provider", "model", "app", "feature", "environment", "user_id", "operation"),
            *("tool_name", "input_tokens", "output_tokens", "status"),
        ),
        upstream=(
            *("triage", "profile", "caching", "prompt-cache", "prefix-breakers"),
            *("plan", "backtest", "serving-fit", "capacity", "demand", "commitment"),
        ),
    ),
)
