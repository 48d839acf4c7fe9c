"""Where each objective and constraint of the goal stands today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netra.agents.columns import Floats
from netra.agents.profiling.distributions import error_rate
from netra.agents.profiling.sourced import LEVEL, Sourced, as_json
from netra.agents.profiling.traffic import Traffic
from netra.agents.profiling.usage import cost_needs, of_part
from netra.agents.selection import in_words
from netra.analysis.mean import mean
from netra.analysis.percentiles import quantiles
from netra.schemas.figure import Figure
from netra.schemas.goal import Goal, Metric

_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def goal_baselines(
    goal: Goal, traffic: Traffic, sourced: Sourced, cost_method: str
) -> list[dict[str, Any]]:
    """One entry for each objective and constraint: what it is about, and its value today."""
    entries: list[dict[str, Any]] = []
    for kind, stated in (("objective", goal.objectives), ("constraint", goal.constraints)):
        for index, one in enumerate(stated):
            figure, basis = baseline(one.metric, one.where, traffic, sourced, cost_method), ""
            if one.metric == "cost" and figure.status == "ok":
                basis = _cost_basis(one.where, traffic)
            entries.append(
                {
                    "kind": kind,
                    "index": index,
                    **{k: v for k, v in as_json(one).items() if v is not None},
                    "baseline": as_json(figure),
                    "basis": basis,
                }
            )
    return entries


def baseline(
    metric: Metric,
    where: Mapping[str, Any],
    traffic: Traffic,
    sourced: Sourced,
    cost_method: str,
) -> Figure:
    """The metric over the events that `where` selects."""
    of = sourced.within(where)
    events = _count(where, traffic)
    label = f"{metric} today"
    if not events:
        return of.missing(label, _unit(metric), [f"events with {in_words(where)}"])
    if metric == "usage":
        return of.exact(label, events, "requests", events, "count", "event_id")
    if metric == "cost":
        return _cost(label, where, traffic, of, cost_method)
    if metric == "error_rate":
        return error_rate(_values("failed", where, traffic), of)
    if metric == "quality":
        values = _values("quality", where, traffic)
        return of.mean(label, "share", mean(values, LEVEL), len(values), "quality")
    family, stat, _ = metric.split("_")
    column = f"{family}_ms"
    values = _values(column, where, traffic)
    if stat == "mean":
        return of.mean(label, "ms", mean(values, LEVEL), len(values), column)
    q = _QUANTILES[stat]
    (found,) = quantiles(values, [q], LEVEL)
    return of.quantile(label, "ms", found, q, len(values), column)


def _cost(
    label: str, where: Mapping[str, Any], traffic: Traffic, of: Sourced, cost_method: str
) -> Figure:
    paid, events = _values("cost_usd", where, traffic), _count(where, traffic)
    if len(paid) == events:
        return of.exact(label, float(paid.sum()), "USD", events, "sum of cost_usd", "cost_usd")
    costs = _values("list_cost_usd", where, traffic)
    columns = ("model", "input_tokens", "output_tokens")
    if not len(costs):
        return of.missing(label, "USD", cost_needs(traffic), *columns)
    return of.exact(label, float(costs.sum()), "USD", len(costs), cost_method, *columns)


def _cost_basis(where: Mapping[str, Any], traffic: Traffic) -> str:
    """What today's cost is the sum of, for its label."""
    events = _count(where, traffic)
    if len(_values("cost_usd", where, traffic)) == events:
        return ", as recorded"
    priced = len(_values("list_cost_usd", where, traffic))
    return ", at list prices" + of_part(priced, events, "have a price")


def _unit(metric: str) -> str:
    if metric.endswith("_ms"):
        return "ms"
    return {"cost": "USD", "usage": "requests"}.get(metric, "share")


def _values(column: str, where: Mapping[str, Any], traffic: Traffic) -> Floats:
    return traffic.samples[column].known(traffic.selection(where))


def _count(where: Mapping[str, Any], traffic: Traffic) -> int:
    rows = traffic.selection(where)
    return traffic.events if rows is None else int(np.count_nonzero(rows))
