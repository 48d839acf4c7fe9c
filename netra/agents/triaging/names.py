"""Finds the features, tools and models that a goal names in what the workload holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from netra.agents.selection import in_words
from netra.agents.triaging.survey import NAME_COLUMNS, Survey
from netra.schemas.goal import ANY, Goal

#: How many names an answer lists at most.
_SHOWN = 8


@dataclass
class Resolved:
    """The goal with its names as the workload spells them."""

    goal: Goal
    #: Each selection of the goal after resolution, and how many events it has.
    selections: list[tuple[dict[str, Any], int]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def events_of(self, where: Mapping[str, Any]) -> int | None:
        """How many events a selection has; None: it is not one of the goal's."""
        return next((n for w, n in self.selections if w == dict(where)), None)


def resolve(goal: Goal, wheres: list[dict[str, Any]], survey: Survey) -> Resolved:
    """Puts every selection that has no events where its name does occur.

    "Optimize function `search`" names a feature; if no feature is called so but a tool is, the
    tool is meant, and a warning says so. A name that occurs nowhere stays as it is.
    """
    found = Resolved(goal=goal)
    renamed: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for where, events in zip(wheres, survey.selected, strict=True):
        replacement = _elsewhere(where, survey) if events == 0 else None
        if replacement is None:
            found.selections.append((where, events))
            if events == 0:
                found.warnings.append(_nowhere(where, survey))
            continue
        meant, count = replacement
        renamed.append((where, meant))
        found.selections.append((meant, count))
        found.warnings.append(f"no event has {in_words(where)}: read as {in_words(meant)}")
    found.goal = _rename(goal, renamed)
    return found


def _elsewhere(where: Mapping[str, Any], survey: Survey) -> tuple[dict[str, Any], int] | None:
    """The one other spelling or column under which the name occurs."""
    if len(where) != 1:
        return None
    ((column, name),) = where.items()
    if name == ANY or column not in NAME_COLUMNS:
        return None
    for columns in ((column,), NAME_COLUMNS):
        for same in (lambda a, b: a == b, lambda a, b: a.casefold() == b.casefold()):
            hits = [
                ({c: text}, count)
                for c in columns
                for text, count in survey.names[c].items()
                if same(text, str(name))
            ]
            if len(hits) == 1:
                return hits[0]
    return None


def _nowhere(where: Mapping[str, Any], survey: Survey) -> str:
    known = []
    for column in where:
        names = [name for name, _ in survey.names.get(column, {}).most_common(_SHOWN)]  # type: ignore[union-attr]
        known.append(f"{column}: {', '.join(names) or 'unknown on every event'}")
    return f"no event has {in_words(where)} (there is {'; '.join(known)})"


def _rename(goal: Goal, renamed: list[tuple[dict[str, Any], dict[str, Any]]]) -> Goal:
    def put(where: dict[str, Any]) -> dict[str, Any]:
        return next((meant for named, meant in renamed if named == where), where)

    about = goal.about
    if about.get("where"):
        about = {**about, "where": put(about["where"])}
    return msgspec.structs.replace(
        goal,
        objectives=tuple(msgspec.structs.replace(o, where=put(o.where)) for o in goal.objectives),
        constraints=tuple(msgspec.structs.replace(c, where=put(c.where)) for c in goal.constraints),
        about=about,
    )
