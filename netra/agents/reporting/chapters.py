"""The chapters of the report: what each agent found beside the plan, in a fixed order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from netra.schemas.goal import Goal
from netra.schemas.report import Recommendation, Section

#: The agents that have a chapter, in the order of the report, and what it is called where the
#: agent could not find out anything.
TITLES = {
    "capacity": "Serving capacity",
    "serving-fit": "How well the serving model fits this engine's log",
    "demand": "Demand",
    "commitment": "Commitments",
    "caching": "Prefix caches",
    "prompt-cache": "The provider's prompt cache",
    "prefix-breakers": "What breaks prompts' prefixes",
}


def chapters(upstream: Mapping[str, Mapping[str, Any]]) -> tuple[Section, ...]:
    """The section of every agent that ran; what lacks data says what it lacks."""
    found = (chapter_of(agent, upstream.get(agent, {})) for agent in TITLES)
    return tuple(s for s in found if s is not None)


def chapter_of(agent: str, content: Mapping[str, Any]) -> Section | None:
    """What an agent left as a chapter; None: it has none."""
    if raw := content.get("section"):
        return msgspec.convert(raw, Section)
    if content.get("status") != "insufficient_data":
        return None
    return Section(
        id=agent,
        title=TITLES.get(agent, agent),
        says=_sentence(str(content.get("detail", ""))),
        status="insufficient_data",
        needs=tuple(content.get("needs", ())),
    )


#: What a job was asked for with parameters of its own: its finding belongs in the answer.
_ASKED_FOR = ("capacity", "commitment")


def leading(
    sections: Sequence[Section], goal: Goal, plan: Mapping[str, Any]
) -> tuple[Section, ...]:
    """The chapters whose findings belong in the answer.

    Those that are run on request; demand, where the goal asks for a forecast; and, where there was
    no plan to make, every one.
    """
    forecast = goal.question == "forecast"
    return tuple(
        s
        for s in sections
        if s.id in _ASKED_FOR
        or (s.status == "ok" and (not plan or (s.id == "demand" and forecast)))
    )


def proposed(upstream: Mapping[str, Mapping[str, Any]]) -> tuple[Recommendation, ...]:
    """What agents recommend beside the plan; each brings its own backtest."""
    return tuple(
        msgspec.convert(raw, Recommendation)
        for agent in TITLES
        for raw in upstream.get(agent, {}).get("recommendations", ())
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""
