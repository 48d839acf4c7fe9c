"""The profile finds what a generated workload was made from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netra.agents.base import Inputs, QuietContext, WorkloadInfo
from netra.agents.profile import run
from netra.catalog.agents import get
from netra.catalog.params import ProfileParams
from netra.catalog.supply import SupplyCatalog
from netra.goals.parse import parse_goal
from netra.ingest.generate import workload
from netra.ingest.planted import Planted

ROWS = 60_000


@pytest.fixture(scope="module")
def planted() -> tuple[Planted, dict[str, Any], dict[str, np.ndarray]]:
    """A workload's truth, its profile, and the columns that the truth is counted from."""
    truth, generated = workload(ROWS, seed=5)
    columns = [c for c in get("profile").columns]
    batches = [b.select(columns) for b in generated]
    supply = SupplyCatalog(
        {
            "kind": "model",
            "name": f"{m.provider}/{m.name}",
            "effective_from": "2020-01-01",
            "content": {"input": m.input_usd, "output": m.output_usd, "cache_read": 0.0,
                        "cache_write_5m": 0.0},
        }
        for m in truth.models
    )  # fmt: skip
    inputs = Inputs(
        job_id="job",
        workload=WorkloadInfo(id="w", name="generated", anchored=True, events=ROWS),
        goal=parse_goal("Cut cost at equal quality"),
        events=lambda: iter(batches),
        supply=supply,
    )
    content = dict(run(inputs, ProfileParams(), QuietContext()).content)
    counted = {
        name: np.concatenate([b.column(name).to_numpy(zero_copy_only=False) for b in batches])
        for name in ("model", "feature", "cost_usd", "status", "latency_ms")
    }
    return truth, content, counted


def table(content: dict[str, Any], table_id: str) -> dict[str, dict[str, Any]]:
    found = next(t for t in content["tables"] if t["id"] == table_id)
    names = [c["name"] for c in found["columns"]]
    return {row[0]: dict(zip(names, row, strict=True)) for row in found["rows"]}


def test_list_cost_is_what_was_charged_but_for_failed_requests(planted):
    _, content, counted = planted
    rows = table(content, "usage_by_model")
    for model, row in rows.items():
        charged = counted["cost_usd"][counted["model"] == model].sum()
        assert row["recorded_cost"] == pytest.approx(charged)
        # a failed request is not charged, but its tokens have a list price
        assert charged <= row["list_cost"] <= charged * 1.05


def test_spend_by_feature_adds_up(planted):
    _, content, counted = planted
    rows = table(content, "usage_by_feature")
    total = content["figures"]["cost_list"]["value"]
    assert sum(row["list_cost"] for row in rows.values()) == pytest.approx(total)
    for feature, row in rows.items():
        assert row["requests"] == np.count_nonzero(counted["feature"] == feature)


def test_percentiles_by_feature_are_those_of_its_events(planted):
    _, content, counted = planted
    for feature, row in table(content, "latency_by_feature").items():
        values = np.sort(counted["latency_ms"][counted["feature"] == feature])
        assert row["p50 low"] < np.median(values) < row["p50 high"]
        assert row["p95 low"] < np.quantile(values, 0.95) < row["p95 high"]


def test_quality_and_errors_are_those_planted(planted):
    truth, content, _ = planted
    quality = next(g for g in content["goal"] if g["metric"] == "quality")["baseline"]
    assert min(m.quality for m in truth.models) < quality["value"] < 0.9
    low, high = content["figures"]["error_rate"]["interval"]
    # the anomaly's hour adds to the usual rate
    assert truth.error_rate < high < truth.error_rate * 2.5
    assert low > truth.error_rate * 0.8


def test_the_season_is_the_planted_one(planted):
    truth, content, _ = planted
    chart = next(c for c in content["charts"] if c["id"] == "season_daily")
    profile = np.array(chart["series"][0]["y"])
    assert np.corrcoef(profile, truth.hours)[0, 1] > 0.95
    weekly = next(c for c in content["charts"] if c["id"] == "season_weekly")
    by_day = np.array(weekly["series"][0]["z"]).sum(axis=1)
    assert np.corrcoef(by_day, truth.weekdays)[0, 1] > 0.95
    for name in ("season_daily", "season_weekly"):
        assert "p = 0.005" in content["figures"][name]["method"]


def test_the_growth_is_the_planted_one(planted):
    truth, content, _ = planted
    growth = content["figures"]["growth_per_week"]
    assert growth["interval"][0] < truth.weekly_growth < growth["interval"][1]
    assert growth["interval"][0] > 0


def test_the_anomaly_is_found_in_all_that_it_did(planted):
    truth, content, _ = planted
    found = next(t for t in content["tables"] if t["id"] == "unusual_hours")
    hour = truth.anomaly.start.strftime("%Y-%m-%dT%H:%M:%SZ")
    seen = {row[1]: row for row in found["rows"] if row[0] == hour}
    assert set(seen) == {"requests", "error rate", "latency, ms"}
    assert seen["requests"][2] > 2 * seen["requests"][3]
    assert seen["error rate"][2] == pytest.approx(truth.anomaly.error_rate, abs=0.06)
    elsewhere = [row for row in found["rows"] if row[0] != hour]
    assert len(elsewhere) <= 2
