"""A goal in one line, so that a table of many can be read."""

from __future__ import annotations

import json
from typing import Any

from netra.schemas.goal import Constraint, Goal, Objective


def brief(goal: Goal) -> str:
    """`cost -20%; quality no worse; latency_p95_ms <= 500 @feature=X`, question first."""
    parts = []
    if goal.question != "optimize":
        about = json.dumps(goal.about, sort_keys=True) if goal.about else ""
        parts.append(f"{goal.question} {about}".strip())
    parts += [_objective(o) for o in goal.objectives]
    parts += [_constraint(c) for c in goal.constraints]
    return "; ".join(parts)


def _objective(o: Objective) -> str:
    change = "as far as possible" if o.change is None else f"{100 * o.change:+.4g}%"
    return f"{o.metric} {change}{_where(o.where)}"


def _constraint(c: Constraint) -> str:
    bounds = []
    if c.max is not None:
        bounds.append(f"<= {c.max:g}")
    if c.min is not None:
        bounds.append(f">= {c.min:g}")
    if c.max_change is not None:
        bounds.append("no worse" if c.max_change == 0 else f"{100 * c.max_change:.4g}% worse")
    per = f" per {c.per}" if c.per else ""
    return f"{c.metric} {' and '.join(bounds)}{per}{_where(c.where)}"


def _where(where: dict[str, Any]) -> str:
    return "".join(f" @{k}={v}" for k, v in where.items())
