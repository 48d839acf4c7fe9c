"""What a metric is today: right where it is known, missing where it is not."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from netra.agents.reporting.measures import Measures, metric_name
from netra.schemas.figure import Figure


def batch(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def measured(metric: str, where: dict[str, Any], *batches: pa.RecordBatch) -> Figure:
    measures = Measures([(metric, where)])
    for one in batches:
        measures.add(one)
    return measures.figure(metric, where, "w")


EVENTS = batch(
    feature=["x"] * 100 + ["y"] * 100,
    latency_ms=[float(i) for i in range(1, 101)] + [1000.0] * 99 + [None],
    status=["ok"] * 90 + ["error"] * 10 + [None] * 100,
    cost_usd=[0.5] * 200,
)


def test_a_quantile_of_a_selection_with_its_interval() -> None:
    figure = measured("latency_p95_ms", {"feature": "x"}, EVENTS)
    assert figure.value == 95
    assert figure.interval is not None
    assert figure.interval[0] < 95 < figure.interval[1]
    assert (figure.unit, figure.n) == ("ms", 100)
    assert figure.source is not None
    assert figure.source.filter == {"feature": "x"}


def test_batches_add_up() -> None:
    assert measured("latency_p50_ms", {}, EVENTS, EVENTS).n == 398


def test_unknown_values_are_left_out_not_zero() -> None:
    figure = measured("latency_mean_ms", {"feature": "y"}, EVENTS)
    assert (figure.value, figure.n) == (1000.0, 99)


def test_too_few_for_a_percentile_says_how_many_it_takes() -> None:
    few = EVENTS.slice(0, 20)
    figure = measured("latency_p99_ms", {}, few)
    assert figure.status == "insufficient_data"
    assert "at least 299 events, there are 20" in figure.needs[0]


def test_errors_are_a_share_of_the_known() -> None:
    figure = measured("error_rate", {}, EVENTS)
    assert figure.value == pytest.approx(0.1)
    assert figure.n == 100


def test_paid_cost_is_a_total_or_nothing() -> None:
    assert measured("cost", {}, EVENTS).value == 100.0
    partly = batch(feature=["x", "x"], cost_usd=[1.0, None])
    figure = measured("cost", {"feature": "x"}, partly)
    assert figure.status == "insufficient_data"
    assert "1 of 2" in figure.needs[0]


@pytest.mark.parametrize("metric", ["quality", "latency_p95_ms", "ttft_mean_ms", "error_rate"])
def test_a_column_that_is_absent_is_named(metric: str) -> None:
    figure = measured(metric, {}, batch(feature=["x"] * 50))
    assert figure.status == "insufficient_data"
    assert figure.value is None
    assert figure.needs[0] in {"quality", "latency_ms", "ttft_ms", "status"}


def test_a_selection_without_events_is_named() -> None:
    figure = measured("latency_p95_ms", {"feature": "z"}, EVENTS)
    assert figure.needs == ("events of feature z",)


def test_usage_counts_events() -> None:
    assert measured("usage", {"feature": "*"}, EVENTS).value == 200


def test_no_events_at_all() -> None:
    measures = Measures([("latency_p95_ms", {}), ("usage", {})])
    assert measures.figure("latency_p95_ms", {}, "w").status == "insufficient_data"
    assert measures.figure("usage", {}, "w").value == 0


def test_what_was_not_asked_for_is_an_error() -> None:
    with pytest.raises(KeyError):
        Measures([]).figure("cost", {}, "w")


def test_names() -> None:
    assert metric_name("latency_p95_ms") == "p95 latency"
    assert metric_name("ttft_mean_ms") == "mean time to first token"
    assert metric_name("error_rate") == "error rate"
