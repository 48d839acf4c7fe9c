from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from netra.agents.base import QuietContext
from netra.agents.planning.parts import time_blocks
from netra.analysis.bootstrap import MIN_BLOCKS
from netra.catalog.supply import SupplyCatalog
from netra.errors import StageCancelled
from tests.unit.agents.workloads import AS_OF, HOUR_US, MONDAY_US, run_agent


def events(**columns: Any) -> dict[str, Any]:
    """Sixty requests, one an hour, in twelve sessions."""
    rows = 60
    known = {
        "ts": [MONDAY_US + i * HOUR_US for i in range(rows)],
        "session_id": [f"s{i % 12}" for i in range(rows)],
        "model": ["large"] * rows,
        "feature": ["search" if i % 3 else "chat" for i in range(rows)],
        "tool_name": ["grep" if i % 5 == 0 else None for i in range(rows)],
        "input_tokens": [100] * rows,
        "output_tokens": [10] * rows,
        "prefix_hashes": [[1, 2, i] for i in range(rows)],
        "block_tokens": [32] * rows,
        "latency_ms": [float(i) for i in range(rows)],
    }
    return {k: v for k, v in {**known, **columns}.items() if v is not None}


def triage(goal: str = "Cut cost by 20 %", anchored: bool = True, **columns: Any) -> Any:
    return run_agent(
        "triage", events(**columns), goal=goal, anchored=anchored, batch_rows=7
    ).content


def verdict(content: Any, kind: str, index: int = 0) -> dict[str, Any]:
    return next(v for v in content["goal_support"] if v["kind"] == kind and v["index"] == index)


def test_a_full_workload_supports_every_lever():
    content = triage()
    assert {name: v["status"] for name, v in content["support"].items()} == dict.fromkeys(
        ("profile", "cost", "caching", "prompt-cache", "plan", "backtest"), "ok"
    )
    assert verdict(content, "objective")["status"] == "ok"
    assert content["warnings"] == []


def test_columns_are_counted():
    columns = triage()["columns"]
    assert columns["tool_name"] == {"known": 12, "share": 0.2}
    assert columns["prefix_hashes"] == {"known": 60, "share": 1.0}
    assert columns["quality"] == {"known": 0, "share": 0.0}


def test_the_span_and_the_sessions():
    content = triage()
    assert content["span"]["hours"] == 59
    assert content["span"]["start"] == "2026-03-02T00:00:00Z"
    assert content["sessions"]["count"] == 12
    assert content["sessions"]["split"] == "time"


def test_sessions_that_all_begin_with_the_trace_are_split_by_session():
    ts = [i // 12 * HOUR_US for i in range(60)]
    content = triage(anchored=False, ts=ts)
    assert content["sessions"]["split"] == "session"
    assert content["sessions"]["begin_at_once"] == 12
    assert content["span"]["start"] is None
    assert any("relative times" in w for w in content["warnings"])


@pytest.mark.parametrize(
    ("missing", "lever", "need"),
    [
        ("prefix_hashes", "caching", "prefix_hashes"),
        ("block_tokens", "prompt-cache", "block_tokens"),
        ("session_id", "prompt-cache", "session_id"),
        ("model", "cost", "model"),
        ("model", "prompt-cache", "model"),
        ("output_tokens", "cost", "output_tokens"),
        ("prefix_hashes", "plan", "prefix_hashes"),
        ("prefix_hashes", "backtest", "prefix_hashes"),
    ],
)
def test_a_lever_without_its_column_names_it(missing: str, lever: str, need: str):
    support = triage(**{missing: None})["support"][lever]
    assert support["status"] == "insufficient_data"
    assert need in support["needs"]


def test_one_lever_is_enough_for_a_plan():
    assert triage(session_id=None)["support"]["plan"]["status"] == "ok"


def test_a_backtest_needs_blocks_to_verify_on():
    ts = [MONDAY_US + i * 500_000 for i in range(60)]
    support = triage(ts=ts)["support"]["backtest"]
    assert support["status"] == "insufficient_data"
    assert "34 seconds or more (there are 30)" in support["needs"][0]
    assert "34 sessions (there are 12)" in support["needs"][0]


def test_an_hour_of_requests_is_enough_for_a_backtest_as_the_backtest_itself_says():
    """The backtest draws from minutes where there are not hours enough."""
    ts = [MONDAY_US + i * 60_000_000 for i in range(60)]
    assert triage(ts=ts)["support"]["backtest"]["status"] == "ok"
    verified = np.array([t for t in ts if t > ts[0] + 0.7 * (ts[-1] - ts[0])])
    traffic = SimpleNamespace(times_us=verified)
    blocks = time_blocks(cast(Any, traffic), np.ones(len(verified), bool))
    assert blocks.count >= MIN_BLOCKS


def test_models_without_a_price_are_named():
    some = triage(model=["large"] * 50 + ["no-such-model"] * 10)
    assert some["models"]["unpriced"] == {"no-such-model": 10}
    assert some["support"]["cost"]["status"] == "ok"
    assert "10 of 60 events" in some["support"]["cost"]["note"]
    none = triage(model=["no-such-model"] * 60)["support"]["cost"]
    assert none["status"] == "insufficient_data"
    assert none["needs"] == ["a price in the supply catalog for no-such-model"]


def test_an_unpriced_workload_can_be_priced_by_a_row_of_its_own():
    row = {
        "kind": "model",
        "name": "acme/no-such-model",
        "effective_from": "2026-01-01",
        "content": {"input": 1, "output": 2},
    }
    content = run_agent(
        "triage",
        events(model=["no-such-model"] * 60),
        supply=SupplyCatalog([row], as_of=AS_OF),
    ).content
    assert content["support"]["cost"]["status"] == "ok"


def test_a_name_is_found_in_the_column_where_it_occurs():
    content = triage("Optimize function `grep`.")
    assert content["goal"]["objectives"][0]["where"] == {"tool_name": "grep"}
    assert content["scope"] == {"filter": {"tool_name": "grep"}, "events": 12}
    assert "no event has feature 'grep': read as tool_name 'grep'" in content["warnings"]


def test_a_name_is_found_in_other_letters():
    assert triage("Optimize feature `Search`")["scope"]["filter"] == {"feature": "search"}


def test_a_name_that_occurs_nowhere_is_insufficient_data():
    content = triage("Feature `billing` may take 500 ms; cut cost")
    found = verdict(content, "constraint")
    assert (found["status"], found["needs"]) == (
        "insufficient_data",
        ["events with feature 'billing'"],
    )
    assert "no event has feature 'billing' (there is feature: search, chat)" in content["warnings"]


def test_the_tools_are_the_events_with_a_tool():
    content = triage("Cut cost of the tools by 10 %")
    assert content["scope"] == {"filter": {"tool_name": "*"}, "events": 12}


def test_a_goal_of_several_scopes_has_none():
    content = triage("Cut cost of feature `search` by 10 %, cut cost of feature `chat` by 20 %")
    assert content["scope"] == {"filter": {}, "events": 60}
    assert [s["events"] for s in content["selections"]] == [40, 20]


@pytest.mark.parametrize(
    ("goal", "kind", "status", "needs"),
    [
        ("Cut cost; quality no worse", "constraint", "insufficient_data", ["quality"]),
        ("Cut cost; p95 latency no worse", "constraint", "ok", []),
        ("Cut cost; error rate under 1 %", "constraint", "insufficient_data", ["status"]),
        ("Halve latency", "objective", "not_supported", []),
        ("Usage +30 %, cost −20 %", "objective", "not_supported", []),
        ("Would model A or model B suit us?", "question", "not_supported", []),
        ("Audit our prompt caching", "question", "ok", []),
    ],
)
def test_each_part_of_the_goal_is_judged(goal: str, kind: str, status: str, needs: list[str]):
    found = verdict(triage(goal), kind)
    assert (found["status"], found["needs"]) == (status, needs)


def test_a_workload_without_events_supports_nothing():
    content = run_agent("triage", {"ts": [], "model": []}).content
    assert {v["status"] for v in content["support"].values()} == {"insufficient_data"}
    assert content["span"]["events"] == 0


def test_a_cancelled_triage_stops():
    with pytest.raises(StageCancelled):
        run_agent("triage", events(), context=QuietContext(stop=True))
