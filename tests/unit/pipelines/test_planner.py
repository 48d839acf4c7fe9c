"""The planner's choice follows from the catalog's entries."""

from __future__ import annotations

import pytest

from netra.catalog import agents
from netra.catalog.agents import AgentSpec
from netra.pipelines import build, plan_pipeline
from netra.schemas.goal import Goal


@pytest.fixture
def catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog of five agents; `never` is internal, `money` answers one question only."""

    def spec(name: str, *upstream: str, answers: tuple[str, ...] = (), internal: bool = False):
        return AgentSpec(
            name=name,
            summary=name,
            pool="cpu",
            path="netra.agents.noop:run",
            upstream=upstream,
            answers=answers,
            internal=internal,
        )

    entries = [
        spec("first"),
        spec("money", "first", answers=("audit_caching",)),
        spec("counts", "first", answers=("optimize", "forecast")),
        spec("last", "first", "money", "counts"),
        spec("never", internal=True),
    ]
    monkeypatch.setattr(agents, "_AGENTS", {e.name: e for e in entries})


@pytest.mark.usefixtures("catalog")
class TestChoice:
    def edges(self, goal: Goal, **also: object) -> dict[str, tuple[str, ...]]:
        return {s.name: s.after for s in plan_pipeline(goal, also=also.keys()).stages}

    def test_only_what_the_question_needs(self) -> None:
        assert self.edges(Goal(question="audit_caching")) == {
            "first": (),
            "last": ("money",),
            "money": ("first",),
        }

    def test_another_question_another_choice(self) -> None:
        assert set(self.edges(Goal(question="forecast"))) == {"first", "counts", "last"}

    def test_parameters_for_an_agent_ask_for_it(self) -> None:
        assert "money" in self.edges(Goal(question="forecast"), money={})

    def test_a_question_that_nobody_answers_still_gets_its_report(self) -> None:
        assert self.edges(Goal(question="tool_models")) == {"first": (), "last": ("first",)}

    def test_build_plans_when_neither_pipeline_nor_stages_are_named(self) -> None:
        stages = build(goal=Goal(question="audit_caching"))
        assert [s.name for s in stages] == ["first", "money", "last"]
