"""The planner's choice follows from the catalog's entries."""

from __future__ import annotations

import pytest

from netra.catalog import agents
from netra.catalog.agent import AgentSpec
from netra.pipelines import Pipeline, all_pipelines, build, plan_pipeline
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


class TestTheRealCatalog:
    def names(self, goal: Goal) -> list[str]:
        return [stage.name for stage in build(goal=goal)]

    def test_a_forecast_needs_no_plan(self) -> None:
        assert self.names(Goal(question="forecast")) == ["triage", "demand", "profile", "report"]

    def test_an_optimization_is_the_named_pipeline(self) -> None:
        planned = {s.name: set(s.after) for s in build(goal=Goal())}
        named = {s.name: set(s.after) for s in build("optimize")}
        assert planned == named

    def test_caching_can_be_asked_for_by_its_parameters(self) -> None:
        stages = build(goal=Goal(question="forecast"), params={"caching": {"capacities": [10]}})
        assert "caching" in [stage.name for stage in stages]

    @pytest.mark.parametrize("pipeline", all_pipelines(), ids=lambda p: p.name)
    def test_every_named_pipeline_can_be_built(self, pipeline: Pipeline) -> None:
        params = {"capacity": {"model": "meta-llama/Llama-3.1-8B", "ttft_p95_ms": 1000}}
        asked = {a: p for a, p in params.items() if a in {s.agent for s in pipeline.stages}}
        stages = build(pipeline.name, params=asked)
        assert stages[0].name == "triage"
        assert stages[-1].agent == "report"
        assert len(stages) == sum(not s.optional or s.agent in asked for s in pipeline.stages)

    def test_the_backtest_runs_on_the_gpu_pool(self) -> None:
        pools = {s.name: s.pool for s in build("optimize")}
        assert [name for name, pool in pools.items() if pool == "gpu"] == ["backtest"]


def test_an_agent_on_request_runs_only_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = AgentSpec(
        name="asked", summary="asked", pool="cpu", path="netra.agents.noop:run", on_request=True
    )
    monkeypatch.setattr(agents, "_AGENTS", {"asked": spec})
    assert plan_pipeline(Goal()).stages == ()
    assert [s.name for s in plan_pipeline(Goal(), also=("asked",)).stages] == ["asked"]
