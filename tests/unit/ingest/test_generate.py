"""A generated workload holds the truth that it says it was made from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import genai_prices
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from genai_prices import Usage

from netra.errors import InvalidInput
from netra.ingest import generate
from netra.ingest.planted import FEATURES, MODELS, Planted
from netra.ingest.schema import EVENT_SCHEMA
from tests.unit.ingest.traces import read_table

_ROWS = 120_000


@pytest.fixture(scope="module")
def made() -> tuple[Planted, pa.Table]:
    truth, batches = generate.workload(_ROWS, seed=7, days=14)
    return truth, pa.Table.from_batches(list(batches))


def _numpy(table: pa.Table, name: str) -> np.ndarray:
    return table[name].combine_chunks().to_numpy(zero_copy_only=False)


def _where(table: pa.Table, **values: object) -> pa.Table:
    for name, value in values.items():
        table = table.filter(pc.equal(table[name], value))
    return table


def test_size_order_and_schema(made: tuple[Planted, pa.Table]) -> None:
    truth, table = made
    ts = table["ts"].cast(pa.int64()).to_numpy()
    assert table.schema == EVENT_SCHEMA
    assert table.num_rows == truth.rows == _ROWS
    assert (np.diff(ts) >= 0).all()
    assert len(pc.unique(table["event_id"])) == _ROWS
    assert table["ts"][0].as_py() >= truth.start
    assert table["ts"][-1].as_py() < truth.start + timedelta(days=truth.days, hours=2)


@pytest.mark.parametrize("rows", [1, 2, 999, 40_001])
def test_any_size_is_exact(rows: int) -> None:
    assert sum(b.num_rows for b in generate.workload(rows, days=2)[1]) == rows


def test_the_seed_decides_everything() -> None:
    first, again, other = (
        pa.Table.from_batches(list(generate.workload(2_000, seed=s, days=2)[1])) for s in (1, 1, 2)
    )
    assert first.equals(again)
    assert not first.equals(other)


def test_nothing_is_made_of_nothing() -> None:
    with pytest.raises(InvalidInput, match="rows and days"):
        generate.workload(0)


def test_shares_of_features_users_and_models(made: tuple[Planted, pa.Table]) -> None:
    truth, table = made
    sessions = table.group_by("session_id").aggregate(
        [("feature", "min"), ("model", "min"), ("model", "max"), ("user_id", "min")]
    )
    n = len(sessions)
    assert sessions["model_min"].equals(sessions["model_max"])
    for feature in truth.features:
        own = _where(sessions, feature_min=feature.name)
        assert len(own) / n == pytest.approx(feature.share, abs=4 / n**0.5)
        for model, share in feature.models.items():
            found = len(_where(own, model_min=model)) / len(own)
            assert found == pytest.approx(share, abs=4 / len(own) ** 0.5)
    weights = np.arange(1, truth.users + 1) ** -truth.zipf_exponent
    for user in (0, 1, 10):
        found = len(_where(sessions, user_id_min=f"user-{user:05}")) / n
        assert found == pytest.approx(weights[user] / weights.sum(), abs=4 / n**0.5)


def test_cost_is_tokens_at_the_list_price(made: tuple[Planted, pa.Table]) -> None:
    truth, table = made
    for model in truth.models:
        own = _where(table, model=model.name, status="ok")
        cost = _numpy(own, "input_tokens") * model.input_usd
        cost = cost + _numpy(own, "output_tokens") * model.output_usd
        assert _numpy(own, "cost_usd") == pytest.approx(cost / 1e6)
    assert pc.sum(_where(table, status="error")["cost_usd"]).as_py() == 0.0


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_prices_are_those_of_genai_prices(model) -> None:
    usage = Usage(input_tokens=1_000_000 // 10, output_tokens=1_000_000)
    price = genai_prices.calc_price(
        usage,
        model.name,
        provider_id=model.provider,
        genai_request_timestamp=generate.DEFAULT_START + timedelta(days=300),
    )
    assert float(price.input_price) == pytest.approx(model.input_usd / 10)
    assert float(price.output_price) == pytest.approx(model.output_usd)


def test_latency_depends_on_tokens_and_model(made: tuple[Planted, pa.Table]) -> None:
    truth, table = made
    quiet = _outside(truth, _where(table, status="ok"))
    for model in truth.models:
        own = _where(quiet, model=model.name)
        inputs, outputs = _numpy(own, "input_tokens"), _numpy(own, "output_tokens")
        ttft, latency = _numpy(own, "ttft_ms"), _numpy(own, "latency_ms")
        expected = model.ttft_ms + model.ttft_ms_per_1k * inputs / 1000
        per_token = (latency - ttft) / outputs
        assert np.median(ttft / expected) == pytest.approx(1.0, rel=0.02)
        assert np.median(per_token) == pytest.approx(model.ms_per_output_token, rel=0.02)
        assert np.log(ttft / expected).std() == pytest.approx(truth.time_sigma, rel=0.05)


def _inside(truth: Planted, table: pa.Table) -> pa.Table:
    anomaly = truth.anomaly
    after = pc.greater_equal(table["ts"], pa.scalar(anomaly.start, table["ts"].type))
    before = pc.less(table["ts"], pa.scalar(anomaly.end, table["ts"].type))
    return table.filter(pc.and_(after, before))


def _outside(truth: Planted, table: pa.Table) -> pa.Table:
    anomaly = truth.anomaly
    before = pc.less(table["ts"], pa.scalar(anomaly.start, table["ts"].type))
    after = pc.greater_equal(table["ts"], pa.scalar(anomaly.end, table["ts"].type))
    return table.filter(pc.or_(after, before))


def test_the_anomaly(made: tuple[Planted, pa.Table]) -> None:
    truth, table = made
    spike, quiet = _inside(truth, table), _outside(truth, table)
    rate = len(_where(spike, status="error")) / len(spike)
    assert rate == pytest.approx(truth.anomaly.error_rate, abs=4 * 0.5 / len(spike) ** 0.5)
    usual = len(_where(quiet, status="error")) / len(quiet)
    assert usual == pytest.approx(truth.error_rate, rel=0.2)
    assert set(_where(spike, status="error")["error_code"].to_pylist()) == {"overloaded"}
    week_before = truth.anomaly.start - timedelta(days=7)
    same_hour = pc.and_(
        pc.greater_equal(table["ts"], pa.scalar(week_before, table["ts"].type)),
        pc.less(table["ts"], pa.scalar(week_before + timedelta(hours=1), table["ts"].type)),
    )
    growth = truth.anomaly.traffic * (1 + truth.weekly_growth)
    # Later turns of the sessions of the hour before are in it too.
    assert len(spike) / pc.sum(same_hour).as_py() == pytest.approx(growth, rel=0.15)


def test_sessions_follow_the_seasons(made: tuple[Planted, pa.Table]) -> None:
    truth, table = made
    first = table.group_by("session_id").aggregate([("ts", "min")])
    us = first["ts_min"].cast(pa.int64()).to_numpy() - int(truth.start.timestamp() * 1e6)
    found = np.bincount(us // 3_600_000_000, minlength=24 * truth.days)
    expected = truth.intensity() / truth.intensity().sum() * len(first)
    # Begins are spread evenly over the intensity: counts are exact to rounding.
    assert np.abs(found - expected).max() < 2.0


def test_prompts_share_their_beginnings(made: tuple[Planted, pa.Table]) -> None:
    truth, table = made
    system = {f.name: f.system_blocks for f in FEATURES}
    seen: dict[str, list[int]] = {}
    by_session: dict[str, list[int]] = {}
    columns = ("feature", "session_id", "prefix_hashes", "input_tokens")
    for row in table.slice(0, 5_000).select(columns).to_pylist():
        hashes = row["prefix_hashes"]
        assert len(hashes) == row["input_tokens"] // truth.block_tokens
        blocks = system[row["feature"]]
        head = hashes[:blocks]
        assert seen.setdefault(row["feature"], head) == head
        before = by_session.setdefault(row["session_id"], [])
        assert hashes[: len(before)] == before
        by_session[row["session_id"]] = hashes
    tails = [h for s, hs in by_session.items() for h in hs]
    assert len(set(tails)) > len(seen) * 8


def test_the_anomaly_lies_within_short_workloads_too() -> None:
    start = datetime(2025, 3, 3, 22, 30, tzinfo=UTC)
    truth, _ = generate.workload(10, days=1, start=start)
    assert truth.start == datetime(2025, 3, 3, 22, tzinfo=UTC)
    assert truth.start <= truth.anomaly.start < truth.start + timedelta(days=1)
    assert len(truth.intensity()) == 24


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_written_and_read_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"made.{suffix}"
    truth = generate.write(path, 3_000, seed=3, days=2)
    _, batches = generate.workload(3_000, seed=3, days=2)
    assert truth.rows == 3_000
    assert read_table(path).drop_columns("row").equals(pa.Table.from_batches(list(batches)))
