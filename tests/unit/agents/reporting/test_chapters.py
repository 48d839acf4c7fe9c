"""Chapters: what each agent found, in a fixed order; what lacks data says so."""

from __future__ import annotations

from typing import Any

import msgspec

from netra.agents.reporting.chapters import chapters, leading, proposed
from netra.schemas.goal import Goal
from netra.schemas.report import Section
from tests.unit.reports.sample import RECOMMENDATION


def found(agent: str, says: str) -> dict[str, Any]:
    return {"section": msgspec.to_builtins(Section(id=agent, title=agent, says=says))}


def test_the_order_is_the_reports_own() -> None:
    upstream = {"caching": found("caching", "b"), "capacity": found("capacity", "a"), "plan": {}}
    assert [s.says for s in chapters(upstream)] == ["a", "b"]


def test_an_agent_that_lacks_data_has_a_chapter_that_says_so() -> None:
    needs = {"status": "insufficient_data", "detail": "one day is too short", "needs": ["14 days"]}
    (section,) = chapters({"demand": needs})
    assert (section.id, section.status) == ("demand", "insufficient_data")
    assert section.says == "One day is too short."
    assert section.needs == ("14 days",)


def test_recommendations_of_agents_are_carried_whole() -> None:
    raw = msgspec.to_builtins(RECOMMENDATION)
    assert proposed({"commitment": {"recommendations": [raw]}, "demand": {}}) == (RECOMMENDATION,)


class TestWhatLeads:
    DEMAND = Section(id="demand", title="Demand", says="More.")
    CAPACITY = Section(id="capacity", title="Capacity", says="Too few.", status="insufficient_data")
    CACHING = Section(id="caching", title="Caches", says="Warm.")

    def led(self, question: Any = "optimize", plan: dict[str, Any] | None = None) -> list[str]:
        sections = (self.CAPACITY, self.DEMAND, self.CACHING)
        return [s.id for s in leading(sections, Goal(question=question), plan or {})]

    def test_beside_a_plan_only_what_was_asked_for(self) -> None:
        assert self.led(plan={"levers": []}) == ["capacity"]
        assert self.led("forecast", {"levers": []}) == ["capacity", "demand"]

    def test_without_a_plan_every_finding_is_the_answer(self) -> None:
        assert self.led() == ["capacity", "demand", "caching"]
