"""From what a person asked for to the stages that the engine runs, or to what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from netra.catalog import agents
from netra.catalog.agent import Pool
from netra.errors import InvalidInput, Problem
from netra.pipelines import registry
from netra.pipelines.dag import topological_order
from netra.pipelines.explicit import read_stages, some
from netra.pipelines.planner import plan_pipeline
from netra.pipelines.registry import StageSpec
from netra.schemas.goal import Goal

#: The pipeline of a job that says neither what it is for nor what it runs.
USUAL = "optimize"


@dataclass(frozen=True, kw_only=True)
class PlannedStage:
    """A stage as the engine inserts it."""

    name: str
    agent: str
    pool: Pool
    #: Names of the stages that must succeed first.
    after: tuple[str, ...]
    #: Every parameter of the agent, defaults filled in: what is stored is what ran.
    params: dict[str, Any]
    #: A stage that runs longer is stopped and counts as failed, seconds.
    limit_s: float
    #: May be claimed several at once.
    short: bool


def build(
    pipeline: str | None = None,
    stages: Sequence[Mapping[str, Any]] | None = None,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    goal: Goal | None = None,
) -> tuple[PlannedStage, ...]:
    """The stages of a job in an order in which they can run.

    An explicit DAG (`stages`) or a named pipeline, not both; with neither, the planner picks the
    agents for `goal`, and without a goal it is the pipeline `optimize`.

    Args:
        params: the job's parameters by agent name; they go over the pipeline's own, and a stage's
            `params` over both.

    Raises:
        InvalidInput: with a Problem for each thing that is wrong, `where` it is.
    """
    params = params or {}
    if pipeline is not None and stages is not None:
        problem = Problem(where="stages", problem="give `pipeline` or `stages`, not both")
        raise InvalidInput("a job has a named pipeline or an explicit DAG, not both", [problem])
    if stages is not None:
        nodes = read_stages(stages)
    elif pipeline is not None:
        nodes = registry.wanted(registry.get(pipeline), params.keys())
    elif goal is not None:
        nodes = plan_pipeline(goal, also=params.keys()).stages
    else:
        nodes = registry.wanted(registry.get(USUAL), params.keys())
    _check_params_names(params, nodes)
    return _planned(nodes, params, explicit=stages is not None)


def _planned(
    nodes: Sequence[StageSpec], params: Mapping[str, Mapping[str, Any]], *, explicit: bool
) -> tuple[PlannedStage, ...]:
    """Catalog entries and typed parameters for the nodes, in an order in which they can run."""
    problems: list[Problem] = []
    planned: dict[str, PlannedStage] = {}
    for i, node in enumerate(nodes):
        spec = agents.get(node.agent)
        of_job = params.get(node.agent, {})
        # A stage that the client wrote knows best; a named pipeline's settings are defaults.
        raw = {**of_job, **node.params} if explicit else {**node.params, **of_job}
        where = f"stages[{i}].params" if explicit and node.params else f"params.{node.agent}"
        try:
            typed = spec.parse_params(raw, where)
        except InvalidInput as e:
            problems += [p for p in e.errors if p not in problems]
            continue
        planned[node.name] = PlannedStage(
            name=node.name,
            agent=node.agent,
            pool=spec.pool,
            after=node.after,
            params=msgspec.to_builtins(typed),
            limit_s=spec.limit_s,
            short=spec.short,
        )
    if problems:
        raise InvalidInput("the parameters of this job cannot be used", problems)
    order = topological_order({node.name: node.after for node in nodes})
    return tuple(planned[name] for name in order)


def _check_params_names(
    params: Mapping[str, Mapping[str, Any]], nodes: Sequence[StageSpec]
) -> None:
    """Parameters that no stage would read are a mistake; saying nothing would hide it."""
    running = dict.fromkeys(node.agent for node in nodes)
    problems: list[Problem] = []
    for name, value in params.items():
        where = f"params.{name}"
        if not isinstance(value, Mapping):
            problems.append(Problem(where=where, problem="not an object of parameters", got=value))
        elif name not in running:
            try:
                agents.get(name, where=where)
            except InvalidInput as e:
                problems += e.errors
                continue
            problems.append(
                Problem(
                    where=where,
                    problem="no stage of this job runs this agent",
                    got=name,
                    expected=f"one of: {some(list(running))}",
                )
            )
    if problems:
        raise InvalidInput("the parameters of this job cannot be used", problems)
