"""The report: answers from the backtest, judges the goal, and says what cannot be said."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from netra.reports import render_html, render_markdown
from netra.schemas.report import Report
from tests.unit.agents.caching_workloads import (
    MINUTE_US,
    Events,
    Results,
    run_job,
    served,
    sessions,
)
from tests.unit.agents.test_backtest import misleading
from tests.unit.agents.workloads import MONDAY_US, run_agent

SCENARIOS = (
    "Cut cost at equal quality. Feature X may take 500 ms, feature Y must stay under 200 ms.",
    "Make the tools three times faster without spending more.",
    "Usage will grow by 50 %. What happens to cost and to our rate limits?",
    "Optimize function `summarize_ticket`.",
    "Would model large or model unheard-of suit my workload?",
    "Audit our prompt caching.",
    "Cost −20 %, latency halved, usage +30 %, all together.",
    "Which of the agent's tools should switch model?",
    "Was yesterday's model upgrade worth it? Roll back where cost rose and quality did not.",
)
STATED = {"plan": {"baseline": "none"}}


def repeating(**more: Any) -> dict[str, list[Any]]:
    return sessions(40, gap_us=20 * MINUTE_US, **more).in_order()


def report_of(found: Results) -> Report:
    return msgspec.convert(found.report, Report)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


class TestAnswer:
    def test_it_says_what_the_backtest_found_not_what_the_fit_promised(self) -> None:
        found = run_job(repeating(), params=STATED)
        report = report_of(found)
        (tested,) = found.tested()
        share = tested["saving_share"]["value"]
        fit = found.plan["scopes"][0]["savings"][0]["saving_share"]["value"]
        assert share != pytest.approx(fit, abs=1e-4)
        assert f"{share:.1%}".replace("%", " %") in plain(report.answer)
        assert report.headline[0].value == tested["saving"]["value"]
        assert report.headline[1].value == share
        assert report.recommendations[0].backtest.value == share
        assert report.recommendations[0].saving.value == fit

    def test_an_unknown_baseline_is_an_assumption_and_the_others_are_shown(self) -> None:
        answer = plain(report_of(run_job(repeating())).answer)
        assert "if prompts are not cached today" in answer
        assert "if prompts are cached for 5 minutes today" in answer
        assert "nothing if prompts are cached for 1 hour today" in answer

    def test_nothing_to_gain_is_said_with_the_costs(self) -> None:
        report = report_of(run_job(repeating(repeats=False)))
        assert report.recommendations == ()
        assert "No change is recommended" in report.answer
        assert "no prompt cache $" in report.answer

    def test_a_refuted_choice_is_told_and_not_recommended(self) -> None:
        found = run_job(misleading(), params=STATED)
        report = report_of(found)
        assert report.recommendations == ()
        assert "not recommended" in report.answer
        assert "+" in report.answer
        assert found.item("cost")["status"] == "insufficient_data"
        assert all("Saved" not in f.label for f in report.headline)

    def test_what_could_not_be_backtested_says_so(self) -> None:
        few = sessions(4, gap_us=20 * MINUTE_US, requests=6).in_order()
        report = report_of(run_job(few, params=STATED))
        assert "could not be backtested" in report.answer
        (rec,) = report.recommendations
        assert rec.backtest.status == "insufficient_data"


class TestGoal:
    def test_met_when_the_whole_interval_is(self) -> None:
        item = run_job(repeating(), params=STATED).item("cost −20 %")
        assert item["status"] == "met"
        assert item["figures"][0]["interval"][1] < -0.2

    def test_not_met_when_none_of_it_is(self) -> None:
        found = run_job(repeating(), goal="Cut cost by 90 %", params=STATED)
        assert found.item("cost −90 %")["status"] == "not_met"

    def test_assumptions_that_disagree_leave_it_open_and_name_what_would_tell(self) -> None:
        item = run_job(repeating()).item("cost −20 %")
        assert item["status"] == "insufficient_data"
        assert "met if prompts are not cached today" in plain(item["note"])
        assert "cached_input_tokens" in item["needs"][0]

    def test_growth_of_usage_counts_against_the_saving(self) -> None:
        goal = "Cost −20 %, usage +300 %"
        item = run_job(repeating(), goal=goal, params=STATED).item("cost −20 %")
        assert item["status"] == "not_met"
        saved = 1 - (1 + item["figures"][0]["value"]) / 4
        assert 0.2 < saved < 0.7

    def test_quality_is_no_worse_by_construction_though_nobody_judged_it(self) -> None:
        goal = "Cut cost by 20 % at equal quality"
        item = run_job(repeating(), goal=goal).item("quality")
        assert item["status"] == "met"
        assert item["figures"][0]["status"] == "insufficient_data"

    @pytest.mark.parametrize(
        ("latency", "basis"),
        [(800.0, "by construction; 800 ms today"), (None, "by construction; not recorded today")],
    )
    def test_no_worse_by_construction_says_so_with_what_it_is_today(
        self, latency: float | None, basis: str
    ) -> None:
        events = sessions(40, gap_us=20 * MINUTE_US, latency_ms=latency).in_order()
        found = run_job(events, goal="Cut cost by 20 %; p95 latency no worse")
        item = found.item("latency")
        assert (item["status"], plain(item["basis"])) == ("met", basis)
        assert f"p95 latency no worse ({basis})" in plain(report_of(found).answer)

    def test_usage_is_given_and_not_netras_to_change(self) -> None:
        found = run_job(repeating(), goal="Cost −20 %, usage +30 %", params=STATED)
        item = found.item("usage")
        assert (item["status"], item["needs"]) == ("given", [])
        assert "not Netra's to change" in item["note"]
        assert "Taken as given: usage +30 %." in plain(report_of(found).answer)

    def test_recorded_cost_leads_and_list_prices_stand_beside_it(self) -> None:
        events = repeating()
        events["cost_usd"] = [0.25] * len(events["ts"])
        report = report_of(run_job(events, goal="Which of the agent's tools should switch model?"))
        labels = [f.label for f in report.headline]
        at = labels.index("Recorded cost")
        assert labels[at + 1] == "Cost at list prices"

    @pytest.mark.parametrize(
        ("latency", "status"), [(100.0, "met"), (900.0, "not_met"), (None, "insufficient_data")]
    )
    def test_a_latency_bound_is_judged_by_what_it_is_today(
        self, latency: float | None, status: str
    ) -> None:
        events = sessions(40, gap_us=20 * MINUTE_US, feature="X", latency_ms=latency)
        goal = "Cut cost. Feature X may take 500 ms"
        item = run_job(events.in_order(), goal=goal).item("feature X")
        assert item["status"] == status
        if latency is None:
            assert item["needs"] == ["latency_ms"]

    def test_memory_taken_from_the_batch_makes_no_promise_about_latency(self) -> None:
        events = served(later=20)
        found = run_job(events, goal="Cut cost by 20 %; p95 latency no worse")
        assert found.lever("prefix_caching")["status"] == "proposed"
        assert found.item("latency")["status"] == "not_supported"
        report = report_of(found)
        assert report.recommendations[0].lever == "prefix_caching"
        assert "if there is no prefix cache today" in plain(report.answer)
        assert report.headline[0].unit == "tokens"

    def test_a_bound_in_dollars(self) -> None:
        for bound, status in (("1000", "met"), ("0.000001", "not_met")):
            goal = f"Cut cost. Cost at most ${bound} per day"
            found = run_job(repeating(), goal=goal, params=STATED)
            assert found.item("at most")["status"] == status, found.item("at most")

    def test_halving_latency_is_not_supported_but_measured(self) -> None:
        events = sessions(40, gap_us=20 * MINUTE_US, latency_ms=800.0).in_order()
        item = run_job(events, goal="Latency halved").item("latency")
        assert item["status"] == "not_supported"
        assert item["figures"][0]["value"] == 800.0
        assert "400 ms" in plain(item["note"])


class TestScenarios:
    @pytest.mark.parametrize("goal", SCENARIOS)
    @pytest.mark.parametrize("bare", [False, True])
    def test_every_scenario_is_answered_honestly(self, goal: str, bare: bool) -> None:
        """On a workload with prompts, and on one with nothing but tokens and times."""
        events = repeating()
        if bare:
            rows = len(events["ts"])
            events["prefix_hashes"] = [[]] * rows
            for column in ("session_id", "provider", "model", "block_tokens"):
                events[column] = [None] * rows
        found = run_job(events, goal=goal)
        report = report_of(found)
        assert len(report.answer) > 40
        assert report.headline
        assert report.goal["items"]
        for item in report.goal["items"]:
            assert item["status"] in (
                "met", "not_met", "given", "answered", "insufficient_data", "not_supported",
            )  # fmt: skip
            if item["status"] == "insufficient_data":
                assert item["needs"], item
        for rec in report.recommendations:
            assert rec.backtest.interval is not None
            assert rec.backtest.method
        if bare:
            assert report.recommendations == ()
        assert plain(report.answer) in plain(render_html(report)).replace("&#x27;", "'")
        assert render_markdown(report)

    def test_growth_of_usage_scales_cost_and_the_busiest_minute(self) -> None:
        events = repeating()
        item = run_job(events, goal=SCENARIOS[2]).item("What happens")
        figures = {plain(f["label"]): f["value"] for f in item["figures"]}
        cost = figures["Cost at list prices"]
        assert figures["Cost at list prices, usage +50 %"] == pytest.approx(1.5 * cost)
        minutes = [ts // MINUTE_US for ts in events["ts"]]
        busiest = max(minutes.count(m) for m in set(minutes))
        assert figures["Busiest minute, requests"] == busiest
        assert "the rate limits of the models in the supply catalog" in item["needs"]

    def test_models_are_compared_by_price_and_quality_is_asked_for(self) -> None:
        events = repeating()
        item = run_job(events, goal=SCENARIOS[4]).item("suits")
        large, unknown = item["figures"]
        tokens = sum(events["input_tokens"]) * 10 + sum(events["output_tokens"]) * 50
        assert large["value"] == pytest.approx(tokens / 1e6)
        assert unknown["needs"] == ["a price of unheard-of"]
        assert "quality of both models on the same requests" in item["needs"]

    def test_an_audit_shows_savings_and_what_each_policy_costs(self) -> None:
        item = run_job(repeating(), goal=SCENARIOS[5]).item("How well")
        labels = [f["label"] for f in item["figures"]]
        assert item["status"] == "answered"
        assert "Cost with 1-hour cache" in labels
        assert labels[0] == "Saved, if prompts are not cached today"


class TestProvenance:
    def test_every_figure_has_a_method_and_a_source(self) -> None:
        report = report_of(run_job(repeating()))
        for figure in (*report.headline, *report.recommendations[0].evidence):
            assert figure.source is not None
            assert figure.status != "ok" or figure.method

    def test_it_says_how_to_compute_it_again(self) -> None:
        method = report_of(run_job(repeating(), seed=5)).method
        assert {a["agent"] for a in method["agents"]} >= {"triage", "plan", "backtest", "report"}
        assert method["seeds"] == {"plan": 0, "backtest": 5}
        assert method["split"]["by"] == "time"
        assert method["prices"]["list"]["rows"][0][0] == "large"
        assert "warm" in method["backtest"]["warm_up"]

    def test_what_is_not_recorded_is_listed(self) -> None:
        quality = report_of(run_job(repeating())).data_quality
        assert "quality" in quality["not recorded"]
        assert ["prefix_hashes", 400, 1.0] in quality["columns"]["rows"]


class TestPipelines:
    def test_profile_alone(self) -> None:
        found = run_job(repeating(), agents=("triage", "profile", "report"))
        report = report_of(found)
        assert report.recommendations == ()
        assert report.profile["figures"]
        assert "400 requests" in plain(report.answer)

    def test_caching_alone(self) -> None:
        agents = ("triage", "caching", "prompt-cache", "plan", "backtest", "report")
        report = report_of(run_job(repeating(), agents=agents, params=STATED))
        assert len(report.recommendations) == 1

    def test_nothing_ran_before(self) -> None:
        report = msgspec.convert(run_agent("report", repeating()).content, Report)
        assert report.recommendations == ()
        assert render_html(report)

    def test_a_workload_without_events(self) -> None:
        empty: dict[str, list[Any]] = {name: [] for name in repeating()}
        report = report_of(run_job(empty))
        assert "events" in report.answer
        assert render_html(report)

    def test_hostile_names_come_through_as_text(self) -> None:
        name = '<script>alert("x")</script>'
        events = sessions(40, gap_us=20 * MINUTE_US, feature=name).in_order()
        html = render_html(report_of(run_job(events)))
        assert "<script" not in html
        assert "&lt;script&gt;" in html


def test_a_report_fits_into_a_result_however_many_names_there_are() -> None:
    events = Events()
    for i in range(300):
        start = MONDAY_US + i * 90 * MINUTE_US
        name = f"{'long feature name ' * 6}{i}"
        events.session(f"n{i}", start, 20 * MINUTE_US, 4, feature=name, user_id=f"{name} user")
    found = run_job(events.in_order())
    assert len(msgspec.json.encode(found.report)) <= 240_000
