"""Objectives and constraints given as JSON, checked; and their union with what the text says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, get_args

import msgspec

from netra.errors import InvalidGoal, Problem
from netra.models.event import EVENT_COLUMN_NAMES
from netra.schemas.goal import Constraint, Metric, Objective
from netra.validation import problem_of

T = TypeVar("T", Objective, Constraint)
#: Columns that identify a row or hold a list, and so select no group of events.
_NOT_SELECTABLE = {"event_id", "ts", "prefix_hashes", "attributes"}
_SHARES = {"quality", "error_rate"}


def read_objectives(raw: Sequence[Objective | Mapping[str, Any]]) -> list[Objective]:
    """Typed and checked. Raises InvalidGoal naming each fault's JSON path."""
    return _read(raw, Objective, "objectives", _objective_problems)


def read_constraints(raw: Sequence[Constraint | Mapping[str, Any]]) -> list[Constraint]:
    """Typed and checked. Raises InvalidGoal naming each fault's JSON path."""
    return _read(raw, Constraint, "constraints", _constraint_problems)


def _read(
    raw: Sequence[Any],
    kind: type[T],
    where: str,
    check: Any,
) -> list[T]:
    found: list[T] = []
    problems: list[Problem] = []
    for i, item in enumerate(raw):
        path = f"{where}[{i}]"
        try:
            typed = item if isinstance(item, kind) else msgspec.convert(item, kind)
        except msgspec.ValidationError as e:
            problems.append(_type_problem(path, item, kind, e))
            continue
        problems.extend(check(typed, path))
        problems.extend(_where_problems(typed.where, path))
        found.append(typed)
    if problems:
        raise InvalidGoal(f"{problems[0].where} cannot be used", problems)
    return found


def _type_problem(path: str, item: Any, kind: type, error: msgspec.ValidationError) -> Problem:
    if isinstance(item, Mapping) and item.get("metric") not in get_args(Metric):
        known = "one of: " + ", ".join(get_args(Metric))
        return Problem(
            where=f"{path}.metric", problem="unknown metric", got=item.get("metric"), expected=known
        )
    return problem_of(error, item, kind, path)


def _objective_problems(objective: Objective, path: str) -> Iterable[Problem]:
    change = objective.change
    if change is None and objective.metric == "usage":
        yield Problem(
            where=f"{path}.change",
            problem="usage is given, not optimized: say by how much it grows",
            expected="a share, e.g. 0.5",
        )
    if change is None:
        return
    if not math.isfinite(change) or change <= -1:
        yield Problem(
            where=f"{path}.change",
            problem="a change is a share of today's value, above -1",
            got=change,
            expected="e.g. -0.2 for 20 % less",
        )
    worse = change < 0 if objective.metric == "quality" else change > 0
    if worse and objective.metric != "usage":
        yield Problem(
            where=f"{path}.change",
            problem=f"this asks for a worse {objective.metric}; to tolerate it, use a constraint",
            got=change,
            expected='{"metric": …, "max_change": 0.1}',
        )


def _constraint_problems(constraint: Constraint, path: str) -> Iterable[Problem]:
    bounds = {"max": constraint.max, "min": constraint.min, "max_change": constraint.max_change}
    given = {name: value for name, value in bounds.items() if value is not None}
    if not given:
        yield Problem(where=path, problem="it bounds nothing", expected="max, min or max_change")
    for name, value in given.items():
        if not math.isfinite(value) or (name != "max_change" and value < 0):
            yield Problem(
                where=f"{path}.{name}", problem="a bound is a number from 0 up", got=value
            )
        elif constraint.metric in _SHARES and name != "max_change" and value > 1:
            yield Problem(
                where=f"{path}.{name}",
                problem=f"{constraint.metric} is a share from 0 to 1",
                got=value,
            )
    if (
        constraint.max is not None
        and constraint.min is not None
        and constraint.min > constraint.max
    ):
        yield Problem(where=path, problem="min is above max", got=[constraint.min, constraint.max])
    if constraint.per is not None and constraint.metric != "cost":
        yield Problem(where=f"{path}.per", problem="only a bound on cost has a period")
    if constraint.metric == "usage":
        yield Problem(where=f"{path}.metric", problem="usage is given: it cannot be constrained")


def _where_problems(where: Mapping[str, Any], path: str) -> Iterable[Problem]:
    for column in where:
        if column not in EVENT_COLUMN_NAMES or column in _NOT_SELECTABLE:
            known = [c for c in EVENT_COLUMN_NAMES if c not in _NOT_SELECTABLE]
            yield Problem(
                where=f"{path}.where",
                problem="events cannot be selected by this column",
                got=column,
                expected="one of: " + ", ".join(known),
            )


def merge_objectives(stated: Sequence[Objective]) -> tuple[Objective, ...]:
    """One objective for each metric and selection; "cut cost" and `-0.2` agree on `-0.2`.

    Raises:
        InvalidGoal: two ask for different changes of the same thing.
    """
    merged: dict[tuple[Any, ...], Objective] = {}
    for objective in stated:
        key = _key(objective)
        before = merged.get(key, objective)
        if None not in (before.change, objective.change) and before.change != objective.change:
            raise _conflict(objective, f"{before.change:+.0%} and {objective.change:+.0%}")
        merged[key] = objective if before.change is None else before
    return tuple(merged.values())


def merge_constraints(stated: Sequence[Constraint]) -> tuple[Constraint, ...]:
    """One constraint for each metric, selection and period.

    Raises:
        InvalidGoal: two bound the same thing differently, or leave no room between them.
    """
    merged: dict[tuple[Any, ...], Constraint] = {}
    for constraint in stated:
        key = (*_key(constraint), constraint.per)
        before = merged.get(key, constraint)
        fields: dict[str, float | None] = {}
        for name in ("max", "min", "max_change"):
            old, new = getattr(before, name), getattr(constraint, name)
            if old is not None and new is not None and old != new:
                raise _conflict(constraint, f"{name} {old:g} and {new:g}")
            fields[name] = new if old is None else old
        low, high = fields["min"], fields["max"]
        if low is not None and high is not None and low > high:
            raise _conflict(constraint, f"at least {low:g} and at most {high:g}")
        merged[key] = msgspec.structs.replace(before, **fields)
    return tuple(merged.values())


def _key(item: Objective | Constraint) -> tuple[Any, ...]:
    return (item.metric, tuple(sorted((k, str(v)) for k, v in item.where.items())))


def _conflict(item: Objective | Constraint, values: str) -> InvalidGoal:
    where = ", ".join(f"{k} {v}" for k, v in item.where.items()) or "all events"
    problem = Problem(where="goal", problem=f"{item.metric} of {where} is asked to be {values}")
    return InvalidGoal("the goal contradicts itself", [problem])
