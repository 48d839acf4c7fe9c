"""The chapters of the report: what each agent found beside the plan, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    return tuple(_chapters(upstream))


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


def _chapters(upstream: Mapping[str, Mapping[str, Any]]) -> Iterator[Section]:
    for agent, title in TITLES.items():
        content = upstream.get(agent, {})
        if raw := content.get("section"):
            yield msgspec.convert(raw, Section)
        elif content.get("status") == "insufficient_data":
            yield Section(
                id=agent,
                title=title,
                says=_sentence(str(content.get("detail", ""))),
                status="insufficient_data",
                needs=tuple(content.get("needs", ())),
            )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""
