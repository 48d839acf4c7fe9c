"""Picks the agents for a goal, from the catalog alone."""

from __future__ import annotations

from collections.abc import Collection

from netra.catalog import agents
from netra.pipelines.dag import reduce_edges
from netra.pipelines.registry import Pipeline, StageSpec
from netra.schemas.goal import Goal


def planned_name(goal: Goal) -> str:
    """What a job's pipeline is called that was planned for its goal."""
    return f"planned:{goal.question}"


def plan_pipeline(goal: Goal, also: Collection[str] = ()) -> Pipeline:
    """Every listed agent that helps to answer the goal's question, in the order of their needs.

    An agent runs when its catalog entry's `answers` names the question, or names none; one that
    runs on request alone, when the job has parameters for it.

    Args:
        goal: only its question is looked at; whether the workload can support an objective is
            for triage to say, at run time, from the events.
        also: agents that the job has parameters for; asking for one is wanting it.
    """
    chosen = [
        spec
        for spec in agents.all_agents()
        if not spec.internal
        and (
            spec.name in also
            or (not spec.on_request and (not spec.answers or goal.question in spec.answers))
        )
    ]
    names = {spec.name for spec in chosen}
    edges = {spec.name: [u for u in spec.upstream if u in names] for spec in chosen}
    after = reduce_edges(edges)
    return Pipeline(
        name=planned_name(goal),
        summary=f"The agents that help to answer the question {goal.question!r}.",
        stages=tuple(StageSpec(name=name, agent=name, after=after[name]) for name in edges),
    )
