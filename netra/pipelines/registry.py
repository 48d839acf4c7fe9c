"""The pipelines that have a name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from netra.errors import InvalidInput, Problem
from netra.pipelines.dag import reduce_edges, without


@dataclass(frozen=True, kw_only=True)
class StageSpec:
    """A node of a pipeline, before its agent's catalog entry is looked up."""

    name: str
    agent: str
    #: Names of the stages that must succeed first.
    after: tuple[str, ...] = ()
    #: The pipeline's own settings for the agent; the job's go over them.
    params: Mapping[str, Any] = field(default_factory=dict)
    #: Runs only in jobs that have parameters for its agent.
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A DAG of stages with a name."""

    name: str
    #: What it answers, one sentence.
    summary: str
    stages: tuple[StageSpec, ...]


def wanted(pipeline: Pipeline, params: Collection[str]) -> tuple[StageSpec, ...]:
    """The stages of a job with parameters for these agents: all that are not optional, and those.

    What waited for a stage that is left out waits for what that one had waited for.
    """
    dropped = {s.name for s in pipeline.stages if s.optional and s.agent not in params}
    after = reduce_edges(without({s.name: s.after for s in pipeline.stages}, dropped))
    return tuple(replace(s, after=after[s.name]) for s in pipeline.stages if s.name in after)


def _stage(agent: str, *after: str, optional: bool = False) -> StageSpec:
    return StageSpec(name=agent, agent=agent, after=after, optional=optional)


_PIPELINES = {
    p.name: p
    for p in (
        Pipeline(
            name="optimize",
            summary="What to change so that the goal is met: profile, levers, plan, backtest.",
            stages=(
                _stage("triage"),
                _stage("profile", "triage"),
                _stage("caching", "triage"),
                _stage("prompt-cache", "triage"),
                _stage("prefix-breakers", "triage"),
                _stage("plan", "profile", "caching", "prompt-cache"),
                _stage("backtest", "plan"),
                _stage("demand", "triage", optional=True),
                _stage("commitment", "demand", optional=True),
                _stage("serving-fit", "triage", optional=True),
                _stage("capacity", "profile", "serving-fit", optional=True),
                _stage("report", "backtest", "prefix-breakers", "commitment", "capacity"),
            ),
        ),
        Pipeline(
            name="caching",
            summary="What prefix and prompt caching save, chosen on one part, verified on another.",
            stages=(
                _stage("triage"),
                _stage("caching", "triage"),
                _stage("prompt-cache", "triage"),
                _stage("prefix-breakers", "triage"),
                _stage("plan", "caching", "prompt-cache"),
                _stage("backtest", "plan"),
                _stage("report", "backtest", "prefix-breakers"),
            ),
        ),
        Pipeline(
            name="capacity",
            summary="The cheapest fleet of GPUs that holds latency limits, and how sure that is.",
            stages=(
                _stage("triage"),
                _stage("profile", "triage"),
                _stage("serving-fit", "triage", optional=True),
                _stage("capacity", "profile", "serving-fit"),
                _stage("report", "capacity"),
            ),
        ),
        Pipeline(
            name="demand",
            summary="What demand will be, and how much of it to commit to, tested on later days.",
            stages=(
                _stage("triage"),
                _stage("profile", "triage"),
                _stage("demand", "triage"),
                _stage("commitment", "demand", optional=True),
                _stage("report", "profile", "commitment"),
            ),
        ),
        Pipeline(
            name="profile",
            summary="What the workload is and costs, with nothing proposed.",
            stages=(
                _stage("triage"),
                _stage("profile", "triage"),
                _stage("report", "profile"),
            ),
        ),
    )
}


def all_pipelines() -> list[Pipeline]:
    return sorted(_PIPELINES.values(), key=lambda p: p.name)


def get(name: str, where: str = "pipeline") -> Pipeline:
    """The pipeline called `name`.

    Raises:
        InvalidInput: there is none; says which there are.
    """
    if name not in _PIPELINES:
        known = ", ".join(sorted(_PIPELINES))
        raise InvalidInput(
            f"there is no pipeline {name!r}",
            [
                Problem(
                    where=where, problem="unknown pipeline", got=name, expected=f"one of: {known}"
                )
            ],
        )
    return _PIPELINES[name]
