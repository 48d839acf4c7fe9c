"""Each objective, constraint and question of the goal: whether it is met, and on what evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from netra.agents.planning.baselines import NEEDS
from netra.agents.reporting.judge import (
    UNTOUCHED,
    Assumed,
    Verdict,
    judge_bounds,
    judge_cost_best,
    judge_cost_change,
    judge_memory_taken,
    judge_no_worse,
    judge_unsupported,
)
from netra.agents.reporting.wording import (
    constraint_text,
    metric_name,
    objective_text,
    unit_of,
    where_text,
)
from netra.schemas.figure import Figure, missing
from netra.schemas.goal import Constraint, Goal, Objective


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the stages before found out, as far as the goal is concerned."""

    #: Savings by selection: `{"where": {…}, "savings": [{"assumed": {…}, "saving_share": …}]}`.
    scopes: Sequence[Mapping[str, Any]] = ()
    #: Where no lever could be tried: what is missing for it.
    lever_needs: tuple[str, ...] = ()
    #: The levers that the plan pulls.
    levers: tuple[str, ...] = ()
    #: The profile's baselines of objectives and constraints: `{"kind", "index", "baseline"}`.
    today: Sequence[Mapping[str, Any]] = ()
    #: Absolute cost of the plan, by period (`request`, `day`, …; `span`: all of the workload).
    costs: Mapping[str, Figure] = field(default_factory=dict)

    def savings(self, where: Mapping[str, Any]) -> list[Assumed]:
        """The savings on a selection, the assumption that is shown first at the front."""
        for scope in self.scopes:
            if scope["where"] == dict(where):
                return [
                    Assumed(
                        text=saved["assumed"]["text"],
                        saving=msgspec.convert(saved["saving_share"], Figure),
                    )
                    for saved in scope["savings"]
                ]
        return []

    def baseline(self, kind: str, index: int, metric: str, where: Mapping[str, Any]) -> Figure:
        """What the metric is today, as the profile measured it."""
        label = f"{metric_name(metric)}{where_text(where)} today"
        for entry in self.today:
            if (entry["kind"], entry["index"]) == (kind, index):
                figure = msgspec.convert(entry["baseline"], Figure)
                return msgspec.structs.replace(figure, label=label + entry.get("basis", ""))
        need = "a profile stage in the pipeline (the pipeline `optimize` has one)"
        return missing(need, unit=unit_of(metric), label=label)


def goal_items(goal: Goal, evidence: Evidence) -> list[dict[str, Any]]:
    """One entry for each objective and constraint, in the goal's order, as JSON."""
    growth = usage_growth(goal)
    items: list[dict[str, Any]] = []
    for i, objective in enumerate(goal.objectives):
        verdict = _judge_objective(i, objective, growth, evidence)
        items.append(_item("objective", i, objective_text(objective), objective, verdict))
    for i, constraint in enumerate(goal.constraints):
        verdict = _judge_constraint(i, constraint, growth, evidence)
        items.append(_item("constraint", i, constraint_text(constraint), constraint, verdict))
    return items


def usage_growth(goal: Goal) -> float | None:
    """How much more has to be served: an objective on usage, or what a forecast is about."""
    stated = (o.change for o in goal.objectives if o.metric == "usage" and o.change is not None)
    growth = next(stated, goal.about.get("growth"))
    return float(growth) if growth is not None else None


def cost_selections(goal: Goal) -> Iterator[dict[str, Any]]:
    """The selections that cost is asked for: all events first, then those of the goal."""
    seen: list[dict[str, Any]] = [{}]
    yield {}
    for stated in (*goal.objectives, *goal.constraints):
        if stated.metric == "cost" and stated.where not in seen:
            seen.append(stated.where)
            yield dict(stated.where)


def _judge_objective(
    index: int, objective: Objective, growth: float | None, evidence: Evidence
) -> Verdict:
    today = evidence.baseline("objective", index, objective.metric, objective.where)
    if objective.metric == "usage":
        return _usage(objective, today)
    if objective.metric != "cost":
        return judge_unsupported(objective, today)
    savings = evidence.savings(objective.where)
    if refused := _no_savings(savings, today, evidence):
        return refused
    if objective.change is None:
        return judge_cost_best(savings, growth, NEEDS)
    return judge_cost_change(objective.change, savings, growth, NEEDS)


def _judge_constraint(
    index: int, constraint: Constraint, growth: float | None, evidence: Evidence
) -> Verdict:
    today = evidence.baseline("constraint", index, constraint.metric, constraint.where)
    if constraint.metric == "cost":
        return _judge_cost_constraint(constraint, today, growth, evidence)
    if constraint.metric.endswith("_ms") and "prefix_caching" in evidence.levers:
        return judge_memory_taken(constraint, today)
    if constraint.max_change is not None and constraint.max is None and constraint.min is None:
        if today.status == "ok" or not constraint.where:
            return judge_no_worse(constraint, today, changes=bool(evidence.levers))
        return Verdict(status="insufficient_data", figures=(today,), needs=today.needs)
    if constraint.metric in UNTOUCHED or constraint.metric.endswith("_ms"):
        return judge_bounds(constraint, today)
    return Verdict(status="not_supported", figures=(today,), note="No agent judges this bound yet.")


def _judge_cost_constraint(
    constraint: Constraint, today: Figure, growth: float | None, evidence: Evidence
) -> Verdict:
    if constraint.max is None and constraint.min is None:
        savings = evidence.savings(constraint.where)
        if refused := _no_savings(savings, today, evidence):
            # A plan without a lever changes nothing: cost is what it was, unless usage grows.
            return refused if growth else judge_no_worse(constraint, today, changes=False)
        return judge_cost_change(constraint.max_change or 0.0, savings, growth, NEEDS)
    if constraint.where:
        return Verdict(
            status="not_supported",
            note="No agent bounds the cost of a part of the traffic yet.",
            figures=(today,),
        )
    cost = evidence.costs.get(constraint.per or "span")
    if cost is None:
        need = f"times of the traffic, for the cost per {constraint.per}"
        return Verdict(status="insufficient_data", figures=(today,), needs=(need,))
    return judge_bounds(constraint, cost)


def _no_savings(savings: Sequence[Assumed], today: Figure, evidence: Evidence) -> Verdict | None:
    """The verdict where no saving could be computed; None where one was."""
    if savings and savings[0].saving.status == "ok":
        return None
    needs = (*(savings[0].saving.needs if savings else ()), *evidence.lever_needs)
    note = "No lever on cost could be tried on this traffic."
    needs = tuple(dict.fromkeys((*needs, *today.needs)))
    return Verdict(status="insufficient_data", note=note, figures=(today,), needs=needs)


def _usage(objective: Objective, today: Figure) -> Verdict:
    note = "Usage is not Netra's to change."
    if objective.change is not None:
        note = (
            "Usage is not Netra's to change: changes of cost are those of the grown usage. Whether"
            " the models' rate limits hold it cannot be said without those limits."
        )
    return Verdict(status="given", note=note, figures=(today,))


def _item(
    kind: str, index: int, text: str, stated: Objective | Constraint, verdict: Verdict
) -> dict[str, Any]:
    return {
        "kind": kind,
        "index": index,
        "text": text,
        "metric": stated.metric,
        "where": dict(stated.where),
        "status": verdict.status,
        "note": _sentence(verdict.note),
        "needs": list(verdict.needs),
        "basis": verdict.basis,
        "figures": [msgspec.to_builtins(f) for f in verdict.figures],
    }


def _sentence(text: str) -> str:
    """With a capital, unless it begins with a name such as `p95`."""
    return text[:1].upper() + text[1:] if text[1:2].isalpha() else text
