"""The plan: finds what is cheapest on the fit part, and looks at nothing else."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from netra.errors import InsufficientData
from tests.unit.agents.caching_workloads import (
    BLOCK,
    MINUTE_US,
    SUPPLY,
    Events,
    Results,
    run_job,
    sessions,
)
from tests.unit.agents.workloads import MONDAY_US, run_agent

PLAN = ("triage", "plan")


def plan(events: dict[str, list[Any]], **more: Any) -> Results:
    return run_job(events, agents=PLAN, **more)


def policy(events: dict[str, list[Any]], **more: Any) -> Any:
    return plan(events, **more).plan["policy"]["prompt_caching"]


class TestTheRightPolicyIsFound:
    def test_gaps_of_20_minutes_want_an_hour(self) -> None:
        events = sessions(40, gap_us=20 * MINUTE_US).in_order()
        assert policy(events) == {"default": "ttl_1h", "by": None, "where": {}}

    def test_gaps_of_a_minute_want_5_minutes(self) -> None:
        events = sessions(40, gap_us=MINUTE_US).in_order()
        assert policy(events)["default"] == "ttl_5m"

    def test_prompts_that_never_repeat_want_no_cache(self) -> None:
        found = plan(sessions(40, gap_us=MINUTE_US, repeats=False).in_order())
        assert found.plan["policy"]["prompt_caching"] is None
        lever = found.lever()
        assert lever["status"] == "keep"
        # What runs today is not recorded: no claim about it.
        assert lever["reason"].startswith("If prompts are not cached today, nothing costs less")
        assert "(280 requests)" in lever["reason"]
        assert "What runs today is not known" in lever["reason"]

    def test_what_runs_today_is_named_only_where_it_is_known(self) -> None:
        events = sessions(40, gap_us=MINUTE_US, repeats=False).in_order()
        lever = plan(events, params={"plan": {"baseline": "none"}}).lever()
        assert lever["reason"].startswith("Nothing beats what runs today on the fit part")

    def test_the_costs_are_those_of_the_price_list(self) -> None:
        # One session of 4 requests in the fit part, 20 minutes apart, and a late one after it.
        events = Events()
        events.session("a", MONDAY_US, 20 * MINUTE_US, 4)
        events.session("b", MONDAY_US + 600 * MINUTE_US, MINUTE_US, 1)
        totals = {o["label"]: o["value"] for o in plan(events.in_order()).lever()["options"]}
        tokens, output = BLOCK * (1 + 2 + 3 + 4), 4 * 10 * 50
        read, written = BLOCK * (0 + 1 + 2 + 3), BLOCK * 4
        assert totals["Cost with no prompt cache"] * 1e6 == pytest.approx(tokens * 10 + output)
        assert totals["Cost with 5-minute cache"] * 1e6 == pytest.approx(tokens * 12.5 + output)
        assert totals["Cost with 1-hour cache"] * 1e6 == pytest.approx(
            read * 1 + written * 20 + output
        )


class TestGroups:
    def two_models(self, other_gap_us: int) -> dict[str, list[Any]]:
        events = sessions(60, gap_us=20 * MINUTE_US)
        for i in range(60):
            start = MONDAY_US + i * 90 * MINUTE_US
            events.session(f"o{i:03}", start, other_gap_us, 10, model="other")
        return events.in_order()

    def test_a_model_that_differs_gets_its_own_policy(self) -> None:
        found = policy(self.two_models(MINUTE_US))
        assert found["default"] == "ttl_1h"
        assert found["by"] == {"column": "model", "policies": {"acme/other": "ttl_5m"}}

    def test_a_model_that_does_not_differ_gets_none(self) -> None:
        assert policy(self.two_models(20 * MINUTE_US))["by"] is None

    def test_features_that_share_a_session_are_not_told_apart(self) -> None:
        events = sessions(40, gap_us=20 * MINUTE_US)
        features = ["draft" if i % 2 else "review" for i in range(len(events))]
        events.columns["feature"] = features
        found = plan(events.in_order())
        assert found.plan["policy"]["prompt_caching"]["by"] is None
        assert any("mix features" in note for note in found.lever()["notes"])

    def test_features_of_their_own_sessions_are(self) -> None:
        events = sessions(60, gap_us=20 * MINUTE_US, feature="slow")
        for i in range(60):
            start = MONDAY_US + i * 90 * MINUTE_US
            events.session(f"q{i:03}", start, MINUTE_US, 10, feature="quick")
        by = policy(events.in_order())["by"]
        assert by == {"column": "feature", "policies": {"quick": "ttl_5m"}}


class TestBaseline:
    def test_unknown_is_assumed_and_said(self) -> None:
        found = plan(sessions(40, gap_us=20 * MINUTE_US).in_order()).plan["baselines"]
        assert [b["name"] for b in found] == ["none", "ttl_5m", "ttl_1h"]
        assert "does not record cached tokens" in found[0]["why"]

    def test_recorded_tokens_are_the_baseline(self) -> None:
        events = sessions(40, gap_us=20 * MINUTE_US)
        events.columns["cached_input_tokens"] = [0] * len(events)
        (baseline,) = plan(events.in_order()).plan["baselines"]
        assert (baseline["name"], baseline["text"]) == ("recorded", "")

    def test_recorded_tokens_of_some_requests_are_not_enough(self) -> None:
        events = sessions(40, gap_us=20 * MINUTE_US)
        events.columns["cached_input_tokens"] = [None, *[0] * (len(events) - 1)]
        assert len(plan(events.in_order()).plan["baselines"]) == 3

    def test_the_job_may_say_it(self) -> None:
        events = sessions(40, gap_us=20 * MINUTE_US).in_order()
        found = plan(events, params={"plan": {"baseline": "ttl_1h"}})
        assert [b["name"] for b in found.plan["baselines"]] == ["ttl_1h"]
        assert found.lever()["status"] == "keep"

    def test_what_was_paid_may_tell(self) -> None:
        events = sessions(40, gap_us=20 * MINUTE_US)
        tokens = zip(events.columns["input_tokens"], events.columns["output_tokens"], strict=True)
        # Every request writes its whole prompt: what a 5-minute cache costs at this pace.
        events.columns["cost_usd"] = [(i * 12.5 + o * 50) / 1e6 for i, o in tokens]
        (baseline,) = plan(events.in_order()).plan["baselines"]
        assert baseline["name"] == "ttl_5m"

    def test_payments_at_other_prices_tell_nothing(self) -> None:
        events = sessions(40, gap_us=20 * MINUTE_US)
        events.columns["cost_usd"] = [0.7 * i / 1e6 for i in events.columns["input_tokens"]]
        assert len(plan(events.in_order()).plan["baselines"]) == 3


def corrupted(events: dict[str, list[Any]], rows: list[int]) -> dict[str, list[Any]]:
    """Other prompts, tokens and models on some rows; ids and times as they were."""
    changed = copy.deepcopy(events)
    for i in rows:
        changed["prefix_hashes"][i] = [10**9 + i]
        changed["input_tokens"][i] = 999_999
        changed["output_tokens"][i] = 1
        changed["model"][i] = "other"
    return changed


class TestTheVerifyPartIsNotLookedAt:
    def test_by_time(self) -> None:
        events = sessions(40, gap_us=20 * MINUTE_US).in_order()
        honest = plan(events)
        cut = honest.plan["split"]["cut_us"]
        late = [i for i, ts in enumerate(events["ts"]) if ts >= cut]
        assert len(late) == honest.plan["split"]["verify_events"] > 50
        other = plan(corrupted(events, late))
        assert other.plan["policy"] == honest.plan["policy"]
        assert other.plan["levers"] == honest.plan["levers"]
        assert other.plan["baselines"] == honest.plan["baselines"]

    def test_by_session(self) -> None:
        events = sessions(40, gap_us=20 * MINUTE_US, every_us=0, start_us=0).in_order()
        honest = plan(events, anchored=False)
        split = honest.plan["split"]
        assert (split["by"], split["fit_sessions"], split["verify_sessions"]) == ("session", 28, 12)
        # Which sessions are unseen is found by asking: those whose corruption changes no total.
        totals = [o["value"] for o in honest.lever()["options"]]
        unseen = 0
        for name in sorted(set(events["session_id"])):
            rows = [i for i, s in enumerate(events["session_id"]) if s == name]
            other = plan(corrupted(events, rows), anchored=False)
            unseen += [o["value"] for o in other.lever()["options"]] == totals
        assert unseen == 12

    def test_the_split_is_the_same_for_every_stage_seed(self) -> None:
        events = sessions(40, gap_us=20 * MINUTE_US, every_us=0, start_us=0).in_order()
        assert (
            plan(events, anchored=False, seed=1).plan == plan(events, anchored=False, seed=2).plan
        )


class TestWhatCannotBePlanned:
    def test_no_prompts_names_the_column(self) -> None:
        events = sessions(20, gap_us=MINUTE_US)
        del events.columns["prefix_hashes"], events.columns["block_tokens"]
        rows = len(events)
        events.columns["prefix_hashes"] = [[]] * rows
        events.columns["block_tokens"] = [None] * rows
        lever = plan(events.in_order()).lever()
        assert lever["status"] == "insufficient_data"
        assert "prefix_hashes" in lever["needs"]

    def test_a_provider_that_caches_by_its_own_rules(self) -> None:
        lever = plan(sessions(20, gap_us=MINUTE_US, model="plain").in_order()).lever()
        assert lever["status"] in ("not_applicable", "insufficient_data")
        assert any("plain" in need for need in lever["needs"])

    def test_a_goal_about_a_feature_that_is_not_there(self) -> None:
        events = sessions(20, gap_us=MINUTE_US, feature="search").in_order()
        found = plan(events, goal="Optimize function `summarize_ticket`.")
        assert found.lever()["needs"] == ["events with feature 'summarize_ticket'"]
        assert found.plan["policy"]["prompt_caching"] is None

    def test_a_goal_about_one_feature_changes_only_that(self) -> None:
        events = sessions(30, gap_us=20 * MINUTE_US, feature="search")
        for i in range(30):
            events.session(f"x{i}", MONDAY_US + i * 90 * MINUTE_US, MINUTE_US, 10, feature="x")
        found = plan(events.in_order(), goal="Optimize feature `search`.")
        assert found.plan["policy"]["prompt_caching"]["where"] == {"feature": "search"}
        assert '"feature": "search"' in found.lever()["change"]["content"]

    def test_no_events(self) -> None:
        empty = {name: [] for name in sessions(1, gap_us=1).columns}
        with pytest.raises(InsufficientData) as caught:
            run_agent("plan", empty, supply=SUPPLY)
        assert caught.value.needs == ["events"]

    def test_one_moment_has_no_future(self) -> None:
        events = Events()
        events.session("a", MONDAY_US, 0, 5)
        with pytest.raises(InsufficientData, match="span of time"):
            run_agent("plan", events.in_order(), supply=SUPPLY)


class TestPrefixCache:
    def served(self, count: int = 400) -> dict[str, list[Any]]:
        """Requests to a model of one's own, in turn for 20 prompts of 3 blocks each, 1 a minute."""
        blocks = [[100 * (i % 20) + j for j in range(3)] for i in range(count)]
        return {
            "ts": [MONDAY_US + i * MINUTE_US for i in range(count)],
            "session_id": [None] * count,
            "provider": [None] * count,
            "model": [None] * count,
            "input_tokens": [3 * BLOCK] * count,
            "output_tokens": [1] * count,
            "prefix_hashes": blocks,
            "block_tokens": [BLOCK] * count,
            "attributes": [{}] * count,
        }

    def test_the_knee_of_a_cycle_is_its_length(self) -> None:
        # An LRU cache hits nothing of a cycle of 60 blocks before it holds all of it.
        found = plan(self.served())
        assert found.plan["policy"]["prefix_caching"]["capacity_blocks"] == 60
        lever = found.lever("prefix_caching")
        assert lever["status"] == "proposed"
        assert '"kv_tokens": 6000' in lever["change"]["content"]
        assert found.lever()["status"] == "insufficient_data"

    def test_a_capacity_may_be_given(self) -> None:
        found = plan(self.served(), params={"plan": {"capacity_blocks": 30}})
        assert found.plan["policy"]["prefix_caching"]["capacity_blocks"] == 30
        assert found.lever("prefix_caching")["options"][0]["value"] == 0.0

    def test_a_provider_has_no_cache_to_size(self) -> None:
        found = plan(sessions(20, gap_us=MINUTE_US).in_order())
        assert found.lever("prefix_caching")["status"] == "not_applicable"

    def test_blocks_that_never_repeat(self) -> None:
        events = self.served()
        events["prefix_hashes"] = [[i] for i in range(400)]
        found = plan(events)
        assert found.plan["policy"]["prefix_caching"] is None
        assert found.lever("prefix_caching")["status"] == "insufficient_data"
