"""Goals, parsed: objectives to reach, constraints to hold, and what is asked."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Metric = Literal[
    "cost",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "latency_mean_ms",
    "ttft_p50_ms",
    "ttft_p95_ms",
    "ttft_p99_ms",
    "ttft_mean_ms",
    "quality",
    "usage",
    "error_rate",
]

Period = Literal["request", "hour", "day", "week", "month", "year"]

Question = Literal[
    "optimize",
    "forecast",
    "compare_models",
    "audit_caching",
    "tool_models",
    "evaluate_upgrade",
]

#: As a value of `where`: every event on which the column is known, e.g. `{"tool_name": "*"}`.
ANY = "*"


class Objective(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric to change by a share (`-0.2` is 20 % less), or to improve as far as it goes.

    `usage` is not Netra's to change: an objective on it says how much more has to be served.
    """

    metric: Metric
    #: Relative change aimed at; None: as far as the constraints allow.
    change: float | None = None
    #: Which events, by column: `{"feature": "summarize_ticket"}`; `"*"`: wherever it is known.
    #: Empty: all.
    where: dict[str, Any] = {}


class Constraint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric that must stay within absolute bounds, or within a change of its baseline."""

    metric: Metric
    #: In the metric's unit: ms, USD, or a share for `quality` and `error_rate`.
    max: float | None = None
    min: float | None = None
    #: The largest relative change for the worse that is tolerated: 0.0 is "no worse". Worse is
    #: more of cost, latency and errors, and less of quality.
    max_change: float | None = None
    #: For a `cost` bound: USD over which time, or for each request. None: the workload's span.
    per: Period | None = None
    where: dict[str, Any] = {}


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """What a job is asked to do."""

    #: As the user typed it.
    text: str | None = None
    objectives: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    #: What the user wants to know; `optimize`: what to change so that the objectives are met.
    question: Question = "optimize"
    #: What the question is about:
    #: `forecast`: `{"growth": 0.5, "metrics": ["cost", "rate_limits"]}`;
    #: `compare_models`: `{"models": ["a", "b"]}`; `tool_models`: `{"tools": [...]}`, empty for
    #: all; `audit_caching`: `{}`; `evaluate_upgrade`: `{"what": "model", "when": "yesterday",
    #: "roll_back_when": [{"metric": "cost", "moved": "up"}, {"metric": "quality", "moved":
    #: "not up"}]}`. Any of them may carry `where`, as an objective does.
    about: dict[str, Any] = {}
    #: How the text was read where it left something open, for the reader of the report.
    assumptions: tuple[str, ...] = ()
