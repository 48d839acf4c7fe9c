"""Reads an explicit DAG, and says everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from netra.catalog import agents
from netra.errors import InvalidInput, Problem
from netra.pipelines.dag import find_cycle
from netra.pipelines.registry import StageSpec
from netra.validation import problem_of

#: Stages of one job at most; agents may add more by fan-out.
MAX_STAGES = 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class StageRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node of an explicit DAG, as a client sends it."""

    agent: str
    #: Empty: the agent's name, numbered where it runs more than once.
    name: str = ""
    after: tuple[str, ...] = ()
    #: For this stage alone, over the job's parameters for its agent.
    params: dict[str, Any] = {}


def read_stages(stages: Sequence[Mapping[str, Any]]) -> tuple[StageSpec, ...]:
    """The nodes of an explicit DAG, checked.

    Raises:
        InvalidInput: none or too many stages, a stage that cannot be read, an unknown agent, an
            unknown or repeated name, a stage that waits for itself, or a cycle; names where.
    """
    if not stages:
        problem = Problem(where="stages", problem="there is no stage", expected="1 stage or more")
        raise InvalidInput("the DAG is empty", [problem])
    if len(stages) > MAX_STAGES:
        problem = Problem(
            where="stages",
            problem="too many stages in one job; submit a batch of jobs instead",
            got=len(stages),
            expected=f"at most {MAX_STAGES}",
        )
        raise InvalidInput("the DAG is too large", [problem])
    requests = _requests(stages)
    names = _names(requests)
    nodes = tuple(
        StageSpec(
            name=name,
            agent=request.agent,
            after=tuple(dict.fromkeys(request.after)),
            params=request.params,
        )
        for name, request in zip(names, requests, strict=True)
    )
    if problems := [*_node_problems(nodes, requests), *_edge_problems(requests, names)]:
        raise InvalidInput("the DAG cannot run", problems)
    if cycle := find_cycle({node.name: node.after for node in nodes}):
        raise InvalidInput("the DAG has a cycle", [_cycle_problem(cycle, requests, names)])
    return nodes


def _requests(stages: Sequence[Mapping[str, Any]]) -> list[StageRequest]:
    requests: list[StageRequest] = []
    problems: list[Problem] = []
    for i, raw in enumerate(stages):
        try:
            requests.append(msgspec.convert(raw, StageRequest))
        except msgspec.ValidationError as e:
            problems.append(problem_of(e, raw, StageRequest, f"stages[{i}]"))
    if problems:
        raise InvalidInput("a stage of the DAG cannot be read", problems)
    return requests


def _names(requests: Sequence[StageRequest]) -> list[str]:
    """Each stage's name: its own, or its agent's with the first number that is free."""
    taken = {request.name for request in requests if request.name}
    names: list[str] = []
    for request in requests:
        name, number = request.name or request.agent, 1
        while not request.name and name in taken:
            number += 1
            name = f"{request.agent}-{number}"
        taken.add(name)
        names.append(name)
    return names


def _node_problems(nodes: Sequence[StageSpec], requests: Sequence[StageRequest]) -> list[Problem]:
    problems: list[Problem] = []
    first: dict[str, int] = {}
    for i, (node, request) in enumerate(zip(nodes, requests, strict=True)):
        try:
            agents.get(node.agent, where=f"stages[{i}].agent")
        except InvalidInput as e:
            problems += e.errors
        if request.name and not _NAME.fullmatch(request.name):
            problems.append(
                Problem(
                    where=f"stages[{i}].name",
                    problem="not a name for a stage",
                    got=request.name[:100],
                    expected="letters, digits, '.', '_', '-'; at most 100",
                )
            )
        if node.name in first:
            problems.append(
                Problem(
                    where=f"stages[{i}].name",
                    problem=f"stages[{first[node.name]}] has this name already",
                    got=node.name,
                    expected="a name of its own",
                )
            )
        first.setdefault(node.name, i)
    return problems


def _edge_problems(requests: Sequence[StageRequest], names: Sequence[str]) -> list[Problem]:
    known = set(names)
    problems: list[Problem] = []
    for i, request in enumerate(requests):
        for j, earlier in enumerate(request.after):
            where = f"stages[{i}].after[{j}]"
            if earlier == names[i]:
                problems.append(
                    Problem(where=where, problem="a stage cannot wait for itself", got=earlier)
                )
            elif earlier not in known:
                problems.append(
                    Problem(
                        where=where,
                        problem="there is no stage of this name",
                        got=earlier,
                        expected=f"one of: {some(names)}",
                    )
                )
    return problems


def _cycle_problem(
    cycle: Sequence[str], requests: Sequence[StageRequest], names: Sequence[str]
) -> Problem:
    earlier, later = cycle[0], cycle[1]
    i = list(names).index(later)
    j = requests[i].after.index(earlier)
    return Problem(
        where=f"stages[{i}].after[{j}]",
        problem=f"the stages wait for each other: {' → '.join(cycle)}; leave out one `after`",
        got=earlier,
        expected="a graph without a cycle",
    )


def some(names: Sequence[str], limit: int = 20) -> str:
    """The first of many names, so that a message stays one that a person reads."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown}, … ({len(names)} in all)"
