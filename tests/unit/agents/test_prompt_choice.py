"""The choice of lifetimes and of per-request rules, on planted and on real sessions."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from netra.catalog.supply import SupplyCatalog
from tests.shared_data import shared_data
from tests.unit.agents.test_prompt_cache import SUPPLY, events, prompt_cache
from tests.unit.agents.traces import run_on_file
from tests.unit.agents.workloads import run_agent


def sessions(
    count: int, gap_minutes: dict[str, int], turns: int = 4, tokens: int = 640
) -> dict[str, list[Any]]:
    """Sessions in turn of each feature, whose requests come so many minutes apart."""
    told: dict[str, list[Any]] = {}
    rows: list[tuple[int, int, str]] = []
    for s in range(count):
        feature = list(gap_minutes)[s % len(gap_minutes)]
        rows += [(1000 * (s // 50) + t * gap_minutes[feature], s, feature) for t in range(turns)]
    rows.sort()
    minutes = [m for m, _, _ in rows]
    prompts = [[1000 * s + b for b in range(tokens // 64)] for _, s, _ in rows]
    told = events(
        minutes,
        session_id=[f"s{s}" for _, s, _ in rows],
        feature=[f for *_, f in rows],
        input_tokens=[tokens] * len(rows),
        prefix_hashes=prompts,
    )
    return told


def test_features_that_pause_otherwise_get_a_lifetime_of_their_own() -> None:
    content = prompt_cache(sessions(80, {"quick": 2, "slow": 30}, turns=8))
    choice = content["ttl_choice"]
    policies = {"quick": "ttl_5m", "slow": "ttl_1h"}
    assert choice["by"]["column"] == "feature"
    for feature, policy in policies.items():
        assert choice["by"]["policies"].get(feature, choice["default"]) == policy
    assert choice["excess_over_best_fixed"] < -0.02
    cost = choice["verify_usd"]
    assert cost["chosen"] == pytest.approx(cost["hindsight"])
    assert cost["chosen"] < min(cost["none"], cost["ttl_5m"], cost["ttl_1h"])
    assert "2 features" in content["section"]["says"] or "1 features" in content["section"]["says"]


def test_one_lifetime_is_kept_where_nothing_beats_it() -> None:
    content = prompt_cache(sessions(60, {"a": 30, "b": 31}))
    choice = content["ttl_choice"]
    assert (choice["default"], choice["by"]) == ("ttl_1h", None)
    assert choice["excess_over_best_fixed"] == pytest.approx(0)
    assert content["request_rules"]["proposal"] is None
    assert content["section"]["says"].startswith("Cache all prompts for 1 hour")


def test_prompts_that_never_come_back_are_best_not_cached() -> None:
    content = prompt_cache(sessions(60, {"a": 1}, turns=1))
    assert content["ttl_choice"]["default"] == "none"
    assert content["gaps"] is None
    assert content["section"]["says"].startswith("Do not cache prompts")


def test_a_rule_that_pays_on_unseen_sessions_is_proposed() -> None:
    # Large prompts are sent once, small ones again and again.
    large, small = sessions(40, {"x": 2}, turns=1, tokens=6_400), sessions(40, {"x": 2}, turns=8)
    large["session_id"] = [f"large {s}" for s in large["session_id"]]
    large["prefix_hashes"] = [[b + 10**6 for b in p] for p in large["prefix_hashes"]]
    told = {name: large[name] + small[name] for name in large}
    places = np.append(np.arange(len(large["ts"])), np.arange(len(small["ts"])))
    order = np.lexsort((places, told["ts"])).tolist()
    content = prompt_cache({name: [column[i] for i in order] for name, column in told.items()})
    rules = content["request_rules"]
    assert rules["proposed"]
    assert rules["best"]["feature"] == "input_tokens"
    assert (rules["best"]["below"], rules["best"]["from_it_on"]) == ("ttl_5m", "none")
    low, high = rules["saving"]["interval"]
    assert 0 < low < rules["saving"]["value"] < high
    proposal = rules["proposal"]
    saved = proposal["baseline"]["value"] - proposal["projected"]["value"]
    assert proposal["saving"]["value"] == pytest.approx(saved)
    assert proposal["backtest"]["value"] == pytest.approx(saved / proposal["baseline"]["value"])


def test_too_few_sessions_have_no_choice_and_say_so() -> None:
    content = prompt_cache(sessions(19, {"a": 2}))
    assert content["cost_usd"]["ttl_5m"] > 0
    for part in ("ttl_choice", "request_rules", "section"):
        assert content[part]["status"] == "insufficient_data"
    assert "there are 19" in content["ttl_choice"]["needs"][0]


def test_without_sessions_or_prices_of_writes_there_is_no_choice() -> None:
    told = sessions(30, {"a": 2})
    none = prompt_cache(told | {"session_id": [None] * 120})
    assert none["ttl_choice"]["needs"] == ["session_id"]
    plain = prompt_cache(told | {"model": ["plain"] * 120})
    assert plain["ttl_choice"]["needs"] == ["a price for cache writes of acme/plain"]


def test_features_that_share_prompts_get_no_lifetime_of_their_own() -> None:
    told = sessions(30, {"a": 2})
    told["feature"] = (["a"] * 30 + ["b"] * 30) * 2
    notes = prompt_cache(told)["ttl_choice"]["notes"]
    assert notes == ["sessions mix features that share cached prompts: no lifetime by feature"]


def test_the_same_seed_gives_the_same_halves() -> None:
    told = sessions(40, {"quick": 2, "slow": 30})
    one, same, other = (
        run_agent("prompt-cache", told, params={"seed": s, "splits": 3}, supply=SUPPLY).content
        for s in (1, 1, 2)
    )
    assert one["ttl_choice"] == same["ttl_choice"]
    splits, of_other = (c["section"]["charts"][1]["series"] for c in (one, other))
    assert splits != of_other


def test_where_times_can_be_compared_the_choice_is_verified_on_later_sessions() -> None:
    # Sessions pause for half an hour at first, and later come back within minutes.
    early, late = sessions(40, {"a": 30}, turns=8), sessions(40, {"a": 2}, turns=8)
    late["ts"] = [t + 10**12 for t in late["ts"]]
    late["session_id"] = [f"late {s}" for s in late["session_id"]]
    told = {name: early[name] + late[name] for name in early}
    choice = prompt_cache(told)["ttl_choice"]
    assert (choice["default"], choice["verified_on"]) == ("ttl_1h", "later sessions")
    assert choice["verify_usd"]["chosen"] > choice["verify_usd"]["ttl_5m"]


def test_on_the_coding_agents_sessions_one_hour_is_kept() -> None:
    supply = SupplyCatalog(as_of=date(2026, 11, 24))
    path = shared_data("coding-agent-sessions.parquet")
    content = run_on_file("prompt-cache", path, supply, top_level_only=True).content
    choice = content["ttl_choice"]
    assert (choice["default"], choice["by"], choice["sessions"]) == ("ttl_1h", None, 408)
    assert choice["excess_over_best_fixed"] <= 0.003
    rules = content["request_rules"]
    assert rules["proposed"] == (rules["saving"]["interval"][0] > 0)
    assert content["gaps"]["within_5_minutes"] == pytest.approx(0.947, abs=0.001)
