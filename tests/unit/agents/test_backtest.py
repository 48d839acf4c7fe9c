"""The backtest: what a frozen plan does on traffic that it has not seen."""

from __future__ import annotations

from typing import Any

import array_api_strict
import numpy as np
import pytest

from netra.agents.base import QuietContext
from netra.errors import InsufficientData
from tests.unit.agents.caching_workloads import (
    BLOCK,
    MINUTE_US,
    SUPPLY,
    Events,
    Results,
    run_job,
    served,
    sessions,
)
from tests.unit.agents.workloads import MONDAY_US, run_agent

TEST = ("triage", "plan", "backtest")


def backtest(events: dict[str, list[Any]], **more: Any) -> Results:
    return run_job(events, agents=TEST, **more)


def test_the_saving_is_that_of_the_unseen_requests() -> None:
    # 20 sessions of 4 requests, 20 minutes apart, and 20 more that are kept for the backtest.
    events = sessions(40, gap_us=20 * MINUTE_US, requests=4).in_order()
    found = backtest(events, params={"plan": {"fit_share": 0.5, "baseline": "none"}})
    (lever,) = found.tested()
    split = found.plan["split"]
    late = [i for i, ts in enumerate(events["ts"]) if ts >= split["cut_us"]]
    tokens = sum(events["input_tokens"][i] for i in late)
    output = sum(events["output_tokens"][i] for i in late)
    # Of a request of k blocks, k - 1 are read within the hour, also across the cut.
    written = len(late) * BLOCK
    before = tokens * 10 + output * 50
    after = (tokens - written) * 1 + written * 20 + output * 50
    assert lever["baseline"]["value"] * 1e6 == pytest.approx(before)
    assert lever["projected"]["value"] * 1e6 == pytest.approx(after)
    assert lever["saving"]["value"] * 1e6 == pytest.approx(before - after)
    assert lever["saving_share"]["value"] == pytest.approx(1 - after / before)
    low, high = lever["saving_share"]["interval"]
    assert low <= lever["saving_share"]["value"] <= high
    assert lever["saving_share"]["n"] == len(late) == split["verify_events"]
    assert "block bootstrap over" in lever["saving_share"]["method"]


def test_every_assumption_of_today_is_tested() -> None:
    found = backtest(sessions(40, gap_us=20 * MINUTE_US).in_order())
    by_name = {x["assumed"]["name"]: x["saving_share"]["value"] for x in found.tested()}
    assert set(by_name) == {"none", "ttl_5m", "ttl_1h"}
    # At this pace a 5-minute cache only writes: it costs more than none.
    assert by_name["ttl_5m"] > by_name["none"] > by_name["ttl_1h"] == 0.0


def misleading() -> dict[str, list[Any]]:
    """Prompts repeat in the first 70 % of the time, and never again after."""
    events = sessions(70, gap_us=20 * MINUTE_US, requests=5)
    for i in range(30):
        start = MONDAY_US + (70 + i) * 90 * MINUTE_US
        events.session(f"late{i}", start, 20 * MINUTE_US, 5, repeats=False)
    return events.in_order()


def test_a_choice_that_the_future_refutes_is_seen_to_lose() -> None:
    found = backtest(misleading(), params={"plan": {"baseline": "none"}})
    assert found.plan["policy"]["prompt_caching"]["default"] == "ttl_1h"
    (fit,) = found.plan["scopes"][0]["savings"]
    assert fit["saving_share"]["value"] > 0.2
    (lever,) = found.tested()
    assert lever["saving_share"]["interval"][1] < 0
    assert lever["saving"]["value"] < 0


def test_sessions_are_the_blocks_where_they_are_known() -> None:
    found = backtest(sessions(60, gap_us=20 * MINUTE_US).in_order())
    blocks = found.tested()[0]["blocks"]
    assert blocks["kind"] == "sessions"
    assert 15 <= blocks["n"] <= 25


def test_stretches_of_time_are_the_blocks_where_sessions_are_not_known() -> None:
    events = sessions(60, gap_us=20 * MINUTE_US)
    events.columns["session_id"] = [None] * len(events)
    found = backtest(events.in_order())
    assert found.tested()[0]["blocks"]["kind"] == "hours"


def test_the_cache_is_warm_at_the_cut_and_the_report_says_so() -> None:
    events = Events()
    for i in range(12):
        events.session(f"s{i}", MONDAY_US + i * MINUTE_US, 30 * MINUTE_US, 8)
    found = backtest(events.in_order(), params={"plan": {"baseline": "none"}})
    assert "not counted" in found.backtest["warm_up"]["text"]
    assert found.backtest["warm_up"]["lifetime_s"] == 3600
    (lever,) = found.tested()
    late = [i for i, ts in enumerate(events.in_order()["ts"])
            if ts >= found.plan["split"]["cut_us"]]  # fmt: skip
    tokens = sum(events.in_order()["input_tokens"][i] for i in late)
    # All but the newest block is read, though it was written before the cut.
    written = len(late) * BLOCK
    output = len(late) * 10 * 50
    expected = (tokens - written) * 1 + written * 20 + output
    assert lever["projected"]["value"] * 1e6 == pytest.approx(expected)


def test_sessions_with_clocks_of_their_own_start_cold() -> None:
    events = sessions(60, gap_us=20 * MINUTE_US, every_us=0, start_us=0).in_order()
    found = backtest(events, anchored=False)
    assert found.backtest["split"]["by"] == "session"
    assert found.backtest["warm_up"]["text"].startswith("none")
    assert found.tested()[0]["blocks"] == {"kind": "sessions", "n": 18}


def test_too_few_blocks_have_no_interval_and_claim_no_saving() -> None:
    found = backtest(sessions(4, gap_us=20 * MINUTE_US, requests=6).in_order())
    share = found.tested()[0]["saving_share"]
    assert share["status"] == "insufficient_data"
    assert share["value"] is None
    assert "at least 10 blocks" in share["needs"][0]


def test_the_seed_decides_the_draws_and_nothing_else() -> None:
    events = sessions(60, gap_us=20 * MINUTE_US, requests=6).in_order()
    runs = [backtest(events, seed=seed).tested()[0]["saving_share"] for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0]["value"] == runs[2]["value"]
    given = {"backtest": {"seed": 9}}
    assert backtest(events, seed=1, params=given).backtest["seed"] == 9


def test_the_array_code_keeps_to_the_standard() -> None:
    events = sessions(60, gap_us=20 * MINUTE_US).in_order()
    up = run_job(events, agents=("triage", "plan")).by_agent
    results = [
        run_agent(
            "backtest", events, upstream=up, supply=SUPPLY,
            context=QuietContext(seed=3, array_namespace=xp),
        ).content["levers"][0]["saving_share"]["interval"]
        for xp in (None, array_api_strict)
    ]  # fmt: skip
    assert results[0] == pytest.approx(results[1], rel=1e-12)


def test_a_goal_about_a_feature_is_tested_on_it() -> None:
    events = sessions(60, gap_us=20 * MINUTE_US, feature="search")
    for i in range(60):
        start = MONDAY_US + i * 90 * MINUTE_US
        events.session(f"x{i}", start, 20 * MINUTE_US, 10, feature="x", model="other")
    goal = "Cut cost of feature `search` by 20 %"
    found = backtest(events.in_order(), goal=goal, params={"plan": {"baseline": "none"}})
    whole, part = found.backtest["scopes"]
    assert (whole["where"], part["where"]) == ({}, {"feature": "search"})
    # Half of the traffic is left alone, so that the whole saves half as much.
    share = part["savings"][0]["saving_share"]["value"]
    assert whole["savings"][0]["saving_share"]["value"] == pytest.approx(share / 2, rel=0.02)


class TestPrefixCache:
    def test_tokens_that_need_not_be_computed(self) -> None:
        (lever,) = backtest(served(later=20)).tested("prefix_caching")
        # The warm cache holds the whole cycle: every reference hits.
        assert lever["baseline"]["value"] == 360 * 3 * BLOCK
        assert lever["baseline"]["unit"] == "tokens"
        assert lever["saving_share"]["value"] == 1.0

    def test_a_cycle_that_outgrows_the_cache_hits_nothing(self) -> None:
        found = backtest(served(), params={"plan": {"fit_share": 0.45}})
        assert found.plan["policy"]["prefix_caching"]["capacity_blocks"] == 60
        (lever,) = found.tested("prefix_caching")
        # 60 requests of the old cycle still hit, then nothing does.
        assert lever["saving_share"]["value"] == pytest.approx(60 / 660, abs=0.05)


def test_without_a_plan_there_is_nothing_to_test() -> None:
    events = sessions(20, gap_us=MINUTE_US).in_order()
    with pytest.raises(InsufficientData) as caught:
        run_agent("backtest", events, supply=SUPPLY)
    assert caught.value.needs == ["a plan stage before the backtest"]
    refused = {"plan": {"status": "insufficient_data", "needs": ["events at two moments"]}}
    with pytest.raises(InsufficientData) as caught:
        run_agent("backtest", events, supply=SUPPLY, upstream=refused)
    assert caught.value.needs == ["events at two moments"]


def test_other_events_than_the_plan_saw_are_refused() -> None:
    events = sessions(40, gap_us=20 * MINUTE_US).in_order()
    up = run_job(events, agents=("triage", "plan")).by_agent
    fewer = {c: values[: len(values) // 2] for c, values in events.items()}
    with pytest.raises(InsufficientData, match="other events"):
        run_agent("backtest", fewer, upstream=up, supply=SUPPLY)


def test_charts_add_up() -> None:
    found = backtest(sessions(60, gap_us=20 * MINUTE_US).in_order())
    charts = {c["id"]: c for c in found.backtest["charts"]}
    spread = charts["backtest-spread"]["series"][0]
    assert sum(spread["y"]) == found.tested()[0]["blocks"]["n"]
    assert len(spread["x"]) == len(spread["y"]) + 1
    costs = charts["backtest-policies"]["series"][0]
    assert costs["y"][0] == pytest.approx(found.tested()[0]["baseline"]["value"])
    assert all(np.array(costs["lower"]) <= np.array(costs["y"]))
