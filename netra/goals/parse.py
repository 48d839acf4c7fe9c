"""The goal of a job, from free text, from JSON, or from both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netra.errors import InvalidGoal, Problem
from netra.goals import structured
from netra.goals.frame import STATEMENT, NotUnderstood
from netra.goals.questions import Asked, ask
from netra.goals.reader import read, sentences
from netra.goals.statements import Statements, state
from netra.goals.tokens import Token, tokenise
from netra.schemas.goal import Constraint, Goal, Objective, Question

#: What an error shows: all of them are understood.
EXAMPLES = (
    "Cut cost by 20 % at equal quality; p95 latency no worse",
    "Feature `search` may take 500 ms",
    "Usage will grow by 50 %. What happens to cost?",
    "Audit our prompt caching",
)
#: The longest text that is read, characters.
MAX_LENGTH = 2000


def parse_goal(
    text: str | None,
    objectives: Sequence[Objective | Mapping[str, Any]] = (),
    constraints: Sequence[Constraint | Mapping[str, Any]] = (),
) -> Goal:
    """What the text and the JSON together ask for.

    The text is read by a fixed grammar. Every word has to be understood: a clause that is not
    is refused, never left out.

    Args:
        text: a goal as a person types it, in English.
        objectives, constraints: as the API takes them.

    Raises:
        InvalidGoal: something is not understood or contradicts itself; says which words, and
            shows what would be understood.
    """
    stated = Statements()
    asked: Asked | None = None
    if text is not None and text.strip():
        if len(text) > MAX_LENGTH:
            raise _invalid(text[:60] + "…", f"it has more than {MAX_LENGTH} characters")
        for sentence in sentences(tokenise(text)):
            asked = _read_sentence(sentence, stated, asked)
    read_objectives = [*stated.objectives, *structured.read_objectives(objectives)]
    read_constraints = [*stated.constraints, *structured.read_constraints(constraints)]
    if not (read_objectives or read_constraints or asked):
        raise _invalid(text or "", "it states nothing to reach, to hold or to find out")
    question, about, left = _settle(asked, structured.merge_objectives(read_objectives), stated)
    return Goal(
        text=text,
        objectives=left,
        constraints=structured.merge_constraints(read_constraints),
        question=question,
        about=about,
        assumptions=tuple(stated.assumptions),
    )


def _read_sentence(
    sentence: Sequence[Token], stated: Statements, asked: Asked | None
) -> Asked | None:
    """Adds one sentence to what is stated, or to what is asked."""
    words = " ".join(t.text for t in sentence)
    try:
        found = ask(sentence)
        if found is None:
            state(read(sentence, STATEMENT), stated)
            return asked
    except NotUnderstood as e:
        raise _invalid(words, e.why, e.words) from e
    if asked is None:
        return found
    if asked.question != found.question:
        raise _invalid(words, "it asks two different things: submit a job for each")
    clash = [k for k in found.about if k in asked.about and found.about[k] != asked.about[k]]
    if clash:
        raise _invalid(words, f"it asks the same with another {clash[0]}: submit a job for each")
    return Asked(asked.question, {**asked.about, **found.about})


def _settle(
    asked: Asked | None, objectives: tuple[Objective, ...], stated: Statements
) -> tuple[Question, dict[str, Any], tuple[Objective, ...]]:
    """The question, what it is about, and the objectives that remain beside it.

    Usage that will grow is what a forecast supposes, and not something to reach.
    """
    usage = [o for o in objectives if o.metric == "usage"]
    if asked is None and stated.future and len(usage) == len(objectives) and usage:
        asked = Asked("forecast", {"metrics": []}) if not stated.constraints else None
    if asked is None or asked.question != "forecast":
        return (asked.question if asked else "optimize", asked.about if asked else {}, objectives)
    about = dict(asked.about)
    for objective in usage:
        if "growth" in about and about["growth"] != objective.change:
            raise _invalid("usage", "it supposes two different growths of usage")
        about["growth"] = objective.change
        if objective.where:
            about["where"] = objective.where
    return "forecast", about, tuple(o for o in objectives if o.metric != "usage")


def _invalid(clause: str, why: str, words: str | None = None) -> InvalidGoal:
    examples = "; ".join(f'"{e}"' for e in EXAMPLES)
    got = words if words is not None else clause
    at = "goal" if words is None or words == clause else f'goal, in "{clause}"'
    problem = Problem(where=at, problem=why, got=got, expected=f"for example: {examples}")
    return InvalidGoal(f'the goal was not understood: "{got}": {why}', [problem])
