"""Parts of a goal in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netra.reports.formatting import format_value
from netra.schemas.goal import ANY, Constraint, Objective


def unit_of(metric: str) -> str:
    """The unit of a metric's values."""
    if metric.endswith("_ms"):
        return "ms"
    return {"cost": "USD", "usage": "requests"}.get(metric, "share")


def metric_name(metric: str) -> str:
    """The metric as a person calls it: `latency_p95_ms` is `p95 latency`."""
    if metric.endswith("_ms"):
        family, stat, _ = metric.split("_")
        return f"{stat} {'time to first token' if family == 'ttft' else family}"
    return metric.replace("_", " ")


def where_text(where: Mapping[str, Any]) -> str:
    """The selection as words, with a space before; nothing where everything is selected."""
    if not where:
        return ""
    parts = (f"any {c}" if v == ANY else f"{c} {v}" for c, v in where.items())
    return f" of {', '.join(parts)}"


def signed(share: float) -> str:
    """A relative change as it was asked for, with its sign: `−20 %`, `+30 %`."""
    return ("+" if share > 0 else "") + format_value(share, "share").replace(".0", "")


def objective_text(objective: Objective) -> str:
    """`cost −20 %`, or that it is to go as far as it can."""
    name = f"{metric_name(objective.metric)}{where_text(objective.where)}"
    if objective.change is None:
        best = "higher" if objective.metric in ("quality", "usage") else "lower"
        return f"{name}: {best}, as far as it goes"
    return f"{name} {signed(objective.change)}"


def constraint_text(constraint: Constraint) -> str:
    """`p95 latency of feature X at most 500 ms`, `quality no worse`."""
    name = f"{metric_name(constraint.metric)}{where_text(constraint.where)}"
    unit = unit_of(constraint.metric)
    per = f" per {constraint.per}" if constraint.per else ""
    said: list[str] = []
    if constraint.max is not None:
        said.append(f"at most {format_value(constraint.max, unit)}{per}")
    if constraint.min is not None:
        said.append(f"at least {format_value(constraint.min, unit)}{per}")
    if constraint.max_change is not None:
        tolerated = constraint.max_change
        worse = (
            f" by more than {format_value(tolerated, 'share').replace('.0', '')}"
            if tolerated
            else ""
        )
        said.append(f"no worse{worse}")
    return f"{name} {' and '.join(said)}".rstrip()
