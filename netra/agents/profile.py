"""The profile: what a workload is, what it costs, how fast it is and when it comes."""

from __future__ import annotations

from typing import Any

import msgspec

from netra.agents.base import Context, Inputs, StageResult
from netra.agents.prices import ListPrices
from netra.agents.profiling.baselines import goal_baselines
from netra.agents.profiling.distributions import (
    distribution_charts,
    distribution_figures,
    distribution_tables,
)
from netra.agents.profiling.incidents import incident_table
from netra.agents.profiling.seasons import rhythm
from netra.agents.profiling.sourced import Sourced, as_json
from netra.agents.profiling.traffic import Traffic
from netra.agents.profiling.usage import cost_needs, usage_charts, usage_figures, usage_tables
from netra.agents.selection import selections
from netra.catalog.params import ProfileParams
from netra.errors import InsufficientData, StageCancelled
from netra.schemas.goal import Goal


def run(inputs: Inputs, params: ProfileParams, context: Context) -> StageResult:
    """Reads every event once, then describes them.

    Raises:
        InsufficientData: the workload has no events.
    """
    goal = resolved_goal(inputs)
    prices = ListPrices(inputs.supply, inputs.workload.anchored)
    traffic = Traffic(selections(goal))
    for batch in inputs.events():
        if context.cancelled():
            raise StageCancelled
        traffic.add(batch, prices.costs(batch))
        done = traffic.events / inputs.workload.events if inputs.workload.events else 1.0
        context.progress(0.8 * min(done, 1.0), f"{traffic.events:,} events read")
    if not traffic.events:
        raise InsufficientData("the workload has no events", needs=["events"])
    return StageResult(content=_content(inputs, params, goal, traffic, prices, context))


def resolved_goal(inputs: Inputs) -> Goal:
    """The goal as triage put it, with names as the workload spells them; else as it came."""
    triaged = inputs.upstream.get("triage", {}).get("goal")
    return msgspec.convert(triaged, Goal) if triaged else inputs.goal


def _content(
    inputs: Inputs,
    params: ProfileParams,
    goal: Goal,
    traffic: Traffic,
    prices: ListPrices,
    context: Context,
) -> dict[str, Any]:
    sourced = Sourced(inputs.workload.id)
    method = prices.method
    figures = usage_figures(traffic, sourced, method)
    figures |= distribution_figures(traffic, sourced)
    when = rhythm(
        traffic.hourly,
        inputs.workload.anchored,
        [] if traffic.known["list_cost_usd"] else cost_needs(traffic),
        sourced,
        xp=context.array_namespace,
        seed=context.seed,
    )
    figures |= when.figures
    tables = usage_tables(traffic, sourced, method, params.rows)
    tables += distribution_tables(traffic, sourced)
    if inputs.workload.anchored and (unusual := incident_table(traffic.hourly, sourced)):
        tables.append(unusual)
    charts = usage_charts(traffic) + when.charts + distribution_charts(traffic)
    return {
        "figures": {name: as_json(figure) for name, figure in figures.items()},
        "goal": goal_baselines(goal, traffic, sourced, method),
        "tables": tables,
        "charts": [as_json(chart) for chart in charts],
        "data_quality": _data_quality(traffic, prices),
        "prices": prices.as_json(),
    }


def _data_quality(traffic: Traffic, prices: ListPrices) -> dict[str, Any]:
    """What is known of each column, and what looks wrong."""
    events = traffic.events
    priced = traffic.known["list_cost_usd"]
    notes = [f"cost: {prices.method}"] if priced else []
    notes += [
        f"{count:,} events have {what}" for what, count in traffic.inconsistent.items() if count
    ]
    if priced < events:
        notes.append(f"{events - priced:,} of {events:,} events have no cost at list prices")
    return {
        "events": events,
        "columns": {
            name: {"known": known, "share": known / events}
            for name, known in traffic.known.items()
            if name not in ("failed", "list_cost_usd")
        }
        | {"status": {"known": traffic.known["failed"], "share": traffic.known["failed"] / events}},
        "priced_events": priced,
        "inconsistent": dict(traffic.inconsistent),
        "unpriced_models": prices.unpriced(),
        "notes": notes,
    }
