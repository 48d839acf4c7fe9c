"""Goals, parsed: objectives to reach and constraints to hold."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Metric = Literal[
    "cost",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "latency_mean_ms",
    "ttft_p95_ms",
    "quality",
    "usage",
    "error_rate",
]


class Objective(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric to change by a share (`-0.2` is 20 % less), or to improve as far as it goes."""

    metric: Metric
    #: Relative change aimed at; None: as far as the constraints allow.
    change: float | None = None
    #: Which events, e.g. `{"feature": "summarize_ticket"}`. Empty: all.
    where: dict[str, Any] = {}


class Constraint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric that must stay within absolute bounds, or within a change of its baseline."""

    metric: Metric
    max: float | None = None
    min: float | None = None
    #: Relative change that is tolerated: 0.0 is "no worse".
    max_change: float | None = None
    where: dict[str, Any] = {}


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """What a job is asked to do."""

    #: As the user typed it.
    text: str | None = None
    objectives: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    #: What the user wants to know, for goals that ask and change nothing.
    #: `optimize | forecast | compare_models | audit_caching | tool_models | evaluate_upgrade`
    question: str = "optimize"
    #: What the question is about: `{"models": ["a", "b"]}`, `{"growth": 0.5}`, …
    about: dict[str, Any] = {}
