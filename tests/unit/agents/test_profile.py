from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from netra.agents.base import QuietContext
from netra.errors import InsufficientData, StageCancelled
from tests.unit.agents.workloads import DAY_US, HOUR_US, MONDAY_US, run_agent

ROWS = 2000


def events(**columns: Any) -> dict[str, Any]:
    """Two thousand requests over two hours; a quarter of them on the dear model."""
    rng = np.random.default_rng(0)
    dear = np.arange(ROWS) % 4 == 0
    known = {
        "ts": (MONDAY_US + np.arange(ROWS) * (2 * HOUR_US // ROWS)).tolist(),
        "model": np.where(dear, "large", "small").tolist(),
        "feature": np.where(np.arange(ROWS) % 2, "search", "chat").tolist(),
        "user_id": [f"u{i % 50}" for i in range(ROWS)],
        "input_tokens": [1000] * ROWS,
        "output_tokens": [100] * ROWS,
        "latency_ms": rng.exponential(100, ROWS).tolist(),
        "status": ["error" if i % 20 == 0 else "ok" for i in range(ROWS)],
    }
    return {k: v for k, v in {**known, **columns}.items() if v is not None}


def profile(goal: str = "Cut cost by 20 %", anchored: bool = True, **columns: Any) -> Any:
    return run_agent("profile", events(**columns), goal=goal, anchored=anchored).content


def table(content: Any, table_id: str) -> dict[str, dict[str, Any]]:
    """Rows by their first cell, cells by column name."""
    found = next(t for t in content["tables"] if t["id"] == table_id)
    names = [c["name"] for c in found["columns"]]
    return {row[0]: dict(zip(names, row, strict=True)) for row in found["rows"]}


LARGE = 500 * (1000 * 10 + 100 * 50) / 1e6
SMALL = 1500 * (1000 * 1 + 100 * 4) / 1e6


def test_cost_by_model_is_what_the_prices_say():
    content = profile()
    rows = table(content, "usage_by_model")
    assert rows["large"]["list_cost"] == pytest.approx(LARGE)
    assert rows["small"]["list_cost"] == pytest.approx(SMALL)
    assert rows["large"]["share_of_list_cost"] == pytest.approx(LARGE / (LARGE + SMALL))
    assert rows["large"]["requests"] == 500
    figure = content["figures"]["cost_list"]
    assert (figure["value"], figure["n"]) == (pytest.approx(LARGE + SMALL), ROWS)
    assert "every input token at the full input price" in figure["method"]


def test_the_dearest_comes_first_and_the_rest_is_added_up():
    content = run_agent("profile", events(), params={"rows": 10}).content
    found = next(t for t in content["tables"] if t["id"] == "usage_by_user_id")
    assert len(found["rows"]) == 11
    assert found["rows"][-1][0] == "(40 more)"
    assert sum(row[1] for row in found["rows"]) == ROWS
    assert list(table(content, "usage_by_model")) == ["large", "small"]


def test_recorded_cost_stands_beside_list_cost():
    content = profile(cost_usd=[0.01 if i % 2 else None for i in range(ROWS)])
    assert content["figures"]["cost_recorded"]["value"] == pytest.approx(10.0)
    assert content["figures"]["cost_recorded"]["n"] == 1000
    assert table(content, "usage_by_feature")["chat"]["recorded_cost"] is None
    assert table(content, "usage_by_feature")["search"]["recorded_cost"] == pytest.approx(10.0)


def test_percentiles_are_order_statistics_with_intervals():
    content = profile()
    latency = np.sort(events()["latency_ms"])
    p95 = content["figures"]["latency_p95"]
    assert p95["value"] == latency[1899]
    assert p95["interval"][0] < p95["value"] < p95["interval"][1]
    assert p95["level"] == 0.9
    by_model = table(content, "latency_by_model")
    large = np.sort(np.array(events()["latency_ms"])[np.arange(ROWS) % 4 == 0])
    assert by_model["large"]["p50"] == large[249]
    assert by_model["large"]["n"] == 500


def test_too_few_requests_have_no_p99():
    known = [float(i) if i < 100 else None for i in range(ROWS)]
    figures = profile(latency_ms=known)["figures"]
    assert figures["latency_p95"]["value"] == 94.0
    assert figures["latency_p99"]["value"] is None
    assert figures["latency_p99"]["needs"] == ["299 events with latency_ms, there are 100"]


def test_errors_are_those_without_an_answer():
    content = profile()
    rate = content["figures"]["error_rate"]
    assert rate["value"] == 0.05
    assert rate["interval"][0] < 0.05 < rate["interval"][1]
    assert table(content, "errors_by_feature")["chat"]["failed"] == 100


def test_every_figure_names_its_source_and_method():
    content = profile()
    for name, figure in content["figures"].items():
        assert figure["source"]["workload_id"] == "workload", name
        if figure["status"] == "ok":
            assert figure["method"], name
            assert figure["n"] > 0, name
        else:
            assert figure["value"] is None, name
            assert figure["needs"], name
    for one in content["tables"]:
        assert one["n"] > 0
        assert one["method"]


@pytest.mark.parametrize("column", [c for c in events() if c != "ts"])
def test_any_column_may_be_missing(column: str):
    content = profile(**{column: None})
    json.dumps(content, allow_nan=False)
    assert content["figures"]["requests"]["value"] == ROWS


def test_times_and_tokens_alone_make_a_profile():
    only = {k: v for k, v in events().items() if k in ("ts", "input_tokens", "output_tokens")}
    content = run_agent("profile", only).content
    assert content["figures"]["input_tokens"]["value"] == 1000 * ROWS
    assert content["figures"]["cost_list"]["needs"] == ["model"]
    assert content["figures"]["latency_p95"]["needs"] == ["latency_ms"]
    assert content["tables"] == []


def test_unpriced_events_are_left_out_and_counted():
    content = profile(model=["large" if i % 4 == 0 else "no-such-model" for i in range(ROWS)])
    figure = content["figures"]["cost_list"]
    assert (figure["value"], figure["n"]) == (pytest.approx(LARGE), 500)
    assert "1,500 of 2,000 events left out" in figure["method"]
    assert figure["label"] == ("Cost at list prices of the 500 of 2,000 requests that have a price")
    assert content["data_quality"]["unpriced_models"][0]["model"] == "no-such-model"
    assert content["data_quality"]["priced_events"] == 500
    assert table(content, "usage_by_model")["no-such-model"]["list_cost"] is None


def test_what_looks_wrong_is_counted():
    content = profile(
        cached_input_tokens=[2000 if i < 3 else 0 for i in range(ROWS)],
        ttft_ms=[1e9 if i < 2 else 0.0 for i in range(ROWS)],
    )
    assert content["data_quality"]["inconsistent"] == {
        "cached above input": 3,
        "ttft above latency": 2,
    }


def test_the_goal_is_measured_where_it_points():
    content = profile(
        "Cut cost of feature `chat` by 10 %; feature `search` may take 500 ms; quality no worse;"
        " error rate under 10 %"
    )
    by_metric = {g["metric"]: g["baseline"] for g in content["goal"]}
    chat = sum(
        (1000 * 10 + 100 * 50 if i % 4 == 0 else 1000 + 400) / 1e6 for i in range(0, ROWS, 2)
    )
    assert by_metric["cost"]["value"] == pytest.approx(chat)
    assert by_metric["cost"]["source"]["filter"] == {"feature": "chat"}
    search = np.sort(np.array(events()["latency_ms"])[1::2])
    assert by_metric["latency_p95_ms"]["value"] == search[949]
    assert by_metric["quality"]["needs"] == ["quality"]
    assert by_metric["error_rate"]["value"] == 0.05


def test_the_goal_is_the_one_that_triage_resolved():
    resolved = run_agent("triage", events(), goal="Optimize function `SEARCH`").content
    content = run_agent(
        "profile", events(), goal="Optimize function `SEARCH`", upstream={"triage": resolved}
    ).content
    assert content["goal"][0]["where"] == {"feature": "search"}
    assert content["goal"][0]["baseline"]["n"] == 1000


def seasonal(days: int, growth: float = 0.0) -> dict[str, Any]:
    """Requests at a rate with a daily peak at 14:00 UTC, quiet weekends and a trend."""
    rng = np.random.default_rng(1)
    hours = np.arange(days * 24)
    rate = 20 * (1 + 0.7 * np.cos(2 * np.pi * (hours % 24 - 14) / 24))
    rate = rate * np.where(hours // 24 % 7 >= 5, 0.3, 1.0) * (1 + growth * hours / 24)
    counts = rng.poisson(rate)
    starts = np.repeat(hours, counts)
    ts = np.sort(MONDAY_US + starts * HOUR_US + rng.integers(0, HOUR_US, len(starts)))
    rows = len(ts)
    return {
        "ts": ts.tolist(),
        "model": ["small"] * rows,
        "input_tokens": [1000] * rows,
        "output_tokens": [0] * rows,
    }


def test_a_planted_season_and_trend_are_found():
    content = run_agent("profile", seasonal(36, growth=0.02)).content
    figures = content["figures"]
    assert figures["season_daily"]["value"] > 0.4
    assert figures["season_weekly"]["value"] > figures["season_daily"]["value"] > 0
    assert "p = 0.005" in figures["season_weekly"]["method"]
    slope = figures["trend_requests"]
    # 480 requests a working day, growing by 2 % of that each day
    assert slope["interval"][0] < 480 * 0.02 * 0.86 < slope["interval"][1] * 1.3
    assert slope["interval"][0] > 0
    assert figures["cost_per_day"]["interval"][0] < figures["cost_per_day"]["value"]
    charts = {c["id"]: c for c in content["charts"]}
    assert (
        "14:00" in charts["season_daily"]["caption"]
        or "13:00" in (charts["season_daily"]["caption"])
    )
    assert len(charts["season_weekly"]["series"][0]["z"]) == 7


def test_too_short_a_trace_claims_no_season():
    figures = run_agent("profile", seasonal(8)).content["figures"]
    assert figures["season_daily"]["status"] == "ok"
    assert figures["season_weekly"]["needs"] == ["at least 2 whole weeks of traffic, there are 1"]
    assert figures["cost_per_day"]["needs"] == [
        "at least 10 whole UTC days with traffic, there are 6"
    ]


def test_an_unanchored_trace_claims_no_calendar():
    content = run_agent("profile", seasonal(20), anchored=False).content
    for name in ("trend_requests", "season_daily", "season_weekly"):
        assert content["figures"][name]["status"] == "insufficient_data"
        assert "absolute times" in content["figures"][name]["needs"][0]
    assert not [c for c in content["charts"] if c["id"].startswith(("season", "requests"))]


def test_a_large_profile_stays_within_what_a_stage_may_leave():
    rows = 30_000
    many = {
        "ts": (MONDAY_US + np.arange(rows) * (90 * DAY_US // rows)).tolist(),
        **{
            name: [f"{name}-with-quite-a-long-name-{i % 5000}" for i in range(rows)]
            for name in ("model", "feature", "user_id", "app", "tool_name")
        },
        "input_tokens": list(range(rows)),
        "output_tokens": list(range(rows)),
        "latency_ms": [float(i) for i in range(rows)],
        "ttft_ms": [float(i) for i in range(rows)],
        "status": ["ok"] * rows,
    }
    content = run_agent("profile", many, params={"rows": 100}, batch_rows=10_000).content
    assert len(json.dumps(content).encode()) < 256_000


def test_an_empty_workload_is_refused():
    with pytest.raises(InsufficientData):
        run_agent("profile", {"ts": []})


def test_a_cancelled_profile_stops():
    with pytest.raises(StageCancelled):
        run_agent("profile", events(), context=QuietContext(stop=True))


def test_progress_is_told():
    context = QuietContext()
    run_agent("profile", events(), context=context)
    assert context.ticks[-1] == (0.8, "2,000 events read")


def test_what_was_paid_stands_for_today_where_every_request_records_it():
    paid = [0.5] * ROWS
    content = profile("Cut cost by 10 %; cost at most $100 per day", cost_usd=paid)
    today = [entry for entry in content["goal"] if entry["metric"] == "cost"]
    assert [entry["baseline"]["value"] for entry in today] == [0.5 * ROWS] * len(today)
    assert {entry["basis"] for entry in today} == {", as recorded"}
    assert content["figures"]["cost_recorded"]["label"] == "Recorded cost"


def test_what_is_paid_for_a_part_is_of_a_part_and_not_what_today_costs():
    content = profile("Cut cost by 10 %", cost_usd=[0.5] * 10 + [None] * (ROWS - 10))
    recorded = content["figures"]["cost_recorded"]
    assert recorded["label"] == "Recorded cost of the 10 of 2,000 requests that record it"
    (today,) = content["goal"]
    assert today["baseline"]["value"] == pytest.approx(LARGE + SMALL)
    assert today["basis"] == ", at list prices"
