from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from netra.agents.base import QuietContext
from netra.catalog.supply import SupplyCatalog
from netra.errors import InsufficientData, StageCancelled
from tests.shared_data import shared_data
from tests.unit.agents.traces import run_on_file
from tests.unit.agents.workloads import MONDAY_US, run_agent

MINUTE_US = 60_000_000


def row(name: str, since: str, **content: Any) -> dict[str, Any]:
    return {"kind": "model", "name": name, "effective_from": since, "content": content}


#: USD per million tokens. `plain` has no 1-hour cache, `bare` no cache at all.
SUPPLY = SupplyCatalog(
    [
        row("acme/full", "2020-01-01", input=10, output=50, cache_read=1, cache_write_5m=12.5,
            cache_write_1h=20),
        row("acme/full", "2026-03-03", input=100, output=500, cache_read=10, cache_write_5m=125,
            cache_write_1h=200),
        row("acme/plain", "2020-01-01", input=10, output=50, cache_read=5),
        row("acme/bare", "2020-01-01", input=10, output=50),
    ],
    as_of=date(2026, 3, 2),
)  # fmt: skip


def events(minutes: list[int], **columns: Any) -> dict[str, list[Any]]:
    """One session's requests of 150 tokens in blocks of 64, all with one prompt."""
    n = len(minutes)
    known: dict[str, Any] = {
        "ts": [MONDAY_US + m * MINUTE_US for m in minutes],
        "session_id": ["s"] * n,
        "provider": ["acme"] * n,
        "model": ["full"] * n,
        "feature": ["chat"] * n,
        "input_tokens": [150] * n,
        "output_tokens": [10] * n,
        "prefix_hashes": [[1, 2]] * n,
        "block_tokens": [64] * n,
        "attributes": [[]] * n,
    }
    return known | columns


def prompt_cache(events: dict[str, list[Any]], **params: Any) -> dict[str, Any]:
    supply = params.pop("supply", SUPPLY)
    anchored = params.pop("anchored", True)
    result = run_agent(
        "prompt-cache", events, params=params, supply=supply, anchored=anchored, batch_rows=2
    )
    return dict(result.content)


def test_costs_by_hand() -> None:
    # The second request comes 10 minutes after the first, the third 2 hours after that.
    content = prompt_cache(events([0, 10, 130]))
    output = 3 * 10 * 50
    by_hand = {
        "none": 3 * 150 * 10 + output,
        "ttl_5m": 3 * 150 * 12.5 + output,
        "ttl_1h": 2 * 150 * 20 + (128 * 1 + 22 * 20) + output,
        "never_expires": 150 * 12.5 + 2 * (128 * 1 + 22 * 12.5) + output,
    }
    by_hand["best_per_session"] = min(by_hand["ttl_5m"], by_hand["ttl_1h"])
    assert content["cost_usd"] == pytest.approx({k: v / 1e6 for k, v in by_hand.items()})
    shares = {"ttl_5m": 0, "ttl_1h": 128 / 450, "never_expires": 256 / 450}
    assert content["hit_share"] == pytest.approx(shares)
    assert (content["requests"], content["input_tokens"]) == (3, 450)
    assert content["left_out"] == []


def test_the_best_lifetime_is_chosen_for_each_session() -> None:
    # Session a comes back within 5 minutes, session b after half an hour.
    minutes, sessions = [0, 0, 4, 30], ["a", "b", "a", "b"]
    prompts = [[1, 2], [3, 4], [1, 2], [3, 4]]
    content = prompt_cache(events(minutes, session_id=sessions, prefix_hashes=prompts))
    a, b = (2 * 150 - 128) * 12.5 + 128, (2 * 150 - 128) * 20 + 128
    assert content["cost_usd"]["best_per_session"] == pytest.approx((a + b + 4 * 10 * 50) / 1e6)
    assert content["sessions"] == {"count": 2, "ttl_5m_cheaper": 1, "ttl_1h_cheaper": 1}


def test_sessions_and_models_do_not_share_blocks_unless_asked_to() -> None:
    apart = events([0, 1, 2, 3], session_id=["a", "b", "a", "a"])
    apart["model"] = ["full", "full", "plain", "full"]
    share = prompt_cache(apart)["hit_share"]["never_expires"]
    assert share == pytest.approx(128 / 600)
    share = prompt_cache(apart, share="model")["hit_share"]["never_expires"]
    assert share == pytest.approx(2 * 128 / 600)


def test_requests_without_a_session_share_by_model_and_have_no_best_lifetime() -> None:
    content = prompt_cache(events([0, 1], session_id=[None, None]))
    assert content["hit_share"]["ttl_5m"] == pytest.approx(128 / 300)
    assert content["cost_usd"]["best_per_session"] is None
    assert content["figures"]["best_per_session"]["status"] == "insufficient_data"
    assert content["figures"]["best_per_session"]["needs"] == ("session_id",)
    assert content["sessions"]["count"] == 0


def test_a_lifetime_that_has_no_price_has_no_cost() -> None:
    content = prompt_cache(events([0, 1], model=["plain", "plain"]))
    by_hand = 300 * 10 - 128 * (10 - 5) + 2 * 10 * 50
    assert content["cost_usd"]["ttl_5m"] == pytest.approx(by_hand / 1e6)
    assert content["cost_usd"]["ttl_1h"] is None
    assert content["cost_usd"]["best_per_session"] is None
    figure = content["figures"]["ttl_1h"]
    assert figure["status"] == "insufficient_data"
    assert figure["needs"] == ("cache_write_1h price of acme/plain",)
    assert content["by_model"][0]["cost_usd"]["ttl_1h"] is None


def test_what_is_unknown_is_left_out_by_name_and_never_counted_as_zero() -> None:
    content = prompt_cache(
        events(
            list(range(8)),
            model=["full", None, "bare", "nobody", "full", "full", "full", "full"],
            input_tokens=[150, 150, 150, 150, None, 150, 150, 150],
            output_tokens=[10, 10, 10, 10, 10, None, 10, 10],
            prefix_hashes=[[1, 2]] * 6 + [[], [1, 2]],
            block_tokens=[64] * 7 + [None],
        )
    )
    assert content["requests"] == 1
    assert {left["unknown"]: left["requests"] for left in content["left_out"]} == {
        "model": 1,
        "cache_read price of acme/bare": 1,
        "price of acme/nobody": 1,
        "input_tokens": 1,
        "output_tokens": 1,
        "prefix_hashes": 1,
        "block_tokens": 1,
    }


def test_a_prompt_shorter_than_a_block_has_no_hits_and_is_not_unknown() -> None:
    content = prompt_cache(events([0, 1], prefix_hashes=[[], []], input_tokens=[63, 63]))
    assert content["requests"] == 2
    assert content["hit_share"]["never_expires"] == 0


def test_hits_are_at_most_the_input() -> None:
    content = prompt_cache(events([0, 1], input_tokens=[100, 100]))
    assert content["hit_share"]["ttl_5m"] == pytest.approx(100 / 200)


def test_only_top_level_requests_when_asked_for() -> None:
    told = events([0, 1, 2])
    told["attributes"] = [[("subagent", "false")], [("subagent", "true")], []]
    content = prompt_cache(told, top_level_only=True)
    assert (content["requests"], content["excluded"]) == (1, 2)
    assert content["figures"]["none"]["source"]["filter"] == {"attributes.subagent": "false"}
    with pytest.raises(InsufficientData) as refused:
        prompt_cache(events([0]), top_level_only=True)
    assert refused.value.needs == ["attributes.subagent = false"]


def test_prices_are_of_the_day_or_of_the_day_that_is_named() -> None:
    # Midnight before 2026-03-03, when `full` gets ten times dearer.
    two_days = events([0, 24 * 60], prefix_hashes=[[1], [2]])
    once = (150 * 10 + 10 * 50) / 1e6
    assert prompt_cache(two_days)["cost_usd"]["none"] == pytest.approx(11 * once)
    fixed = prompt_cache(two_days, price_date="2026-03-03")
    assert fixed["cost_usd"]["none"] == pytest.approx(20 * once)
    assert fixed["prices"]["as_of"] == "2026-03-03"
    relative = prompt_cache(two_days, anchored=False)
    assert relative["cost_usd"]["none"] == pytest.approx(2 * once)
    assert relative["prices"]["as_of"] == "2026-03-02"


def test_breakdowns_add_up_and_keep_the_costliest() -> None:
    features = ["a", "b", "c", None, "b"]
    content = prompt_cache(events([0, 1, 2, 3, 4], feature=features), rows=2)
    rows = content["by_feature"]
    assert [(r["name"], r["others"], r["requests"]) for r in rows] == [
        ("b", 0, 2),
        (None, 0, 1),
        (None, 2, 2),
    ]
    for policy in ("none", "ttl_5m", "ttl_1h", "never_expires"):
        total = sum(r["cost_usd"][policy] for r in rows)
        assert total == pytest.approx(content["cost_usd"][policy])


def test_nothing_to_price_says_what_is_missing() -> None:
    with pytest.raises(InsufficientData) as refused:
        prompt_cache(events([0, 1], model=["nobody", "nobody"]))
    assert refused.value.needs == ["price of acme/nobody"]
    with pytest.raises(InsufficientData) as refused:
        prompt_cache(events([]))
    assert refused.value.needs == ["events"]


def test_it_stops_when_asked_to() -> None:
    with pytest.raises(StageCancelled):
        run_agent("prompt-cache", events([0]), context=QuietContext(stop=True), supply=SUPPLY)


def test_known_answers() -> None:
    path = shared_data("coding-agent-sessions.parquet")
    supply = SupplyCatalog(as_of=date(2026, 11, 24))
    content = run_on_file("prompt-cache", path, supply, top_level_only=True).content
    assert {name: round(usd, 2) for name, usd in content["cost_usd"].items()} == {
        "none": 17_600.59,
        "ttl_5m": 3_708.56,
        "ttl_1h": 3_318.50,
        "never_expires": 2_718.83,
        "best_per_session": 3_181.39,
    }
    assert (content["requests"], content["excluded"]) == (28_705, 239)
    assert len(msgspec.json.encode(content)) < 64_000
