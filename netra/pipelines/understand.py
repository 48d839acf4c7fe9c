"""A job's body as it will run, goal read and stages planned: shared by the API and the client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netra.catalog import agents
from netra.errors import InvalidInput, Problem
from netra.goals.parse import parse_goal
from netra.pipelines.build import USUAL, PlannedStage, build
from netra.pipelines.planner import planned_name
from netra.schemas.goal import Goal
from netra.schemas.job import JobRequest


@dataclass(frozen=True, kw_only=True)
class Understood:
    goal: Goal
    stages: Sequence[PlannedStage]
    #: The pipeline that runs, be it named, planned or the usual one; None for an explicit DAG.
    pipeline: str | None
    #: Agents of the job that read events.
    readers: tuple[str, ...]


def understand(request: JobRequest) -> Understood:
    """Reads the goal and plans the stages, from the catalog alone.

    Raises:
        InvalidInput, InvalidGoal: with a Problem for each thing that is wrong.
    """
    stated = request.goal is not None or request.objectives or request.constraints
    goal = parse_goal(request.goal, request.objectives, request.constraints) if stated else None
    stages = build(request.pipeline, request.stages, request.params, goal=goal)
    names = dict.fromkeys(stage.agent for stage in stages)
    readers = tuple(name for name in names if agents.get(name).columns)
    if readers and request.workload_id is None:
        problem = Problem(
            where="workload_id",
            problem=f"these agents read events: {', '.join(readers)}",
            expected="the id or name of a workload",
        )
        raise InvalidInput("the job needs a workload", [problem])
    return Understood(
        goal=goal or Goal(), stages=stages, pipeline=_pipeline(request, goal), readers=readers
    )


def _pipeline(request: JobRequest, goal: Goal | None) -> str | None:
    if request.stages is not None:
        return None
    return request.pipeline or (planned_name(goal) if goal else USUAL)
