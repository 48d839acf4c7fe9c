"""A log as it comes through ingest holds what the engine wrote."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from netra.agents.fitting.log_columns import batches_of, read_log
from netra.catalog.agents import get
from netra.errors import InsufficientData, InvalidInput
from netra.ingest.read import events
from tests.shared_data import shared_data
from tests.unit.analysis.serving.runs import RUNS, load

COLUMNS = get("serving-fit").columns


@pytest.mark.parametrize("run", RUNS)
def test_nothing_is_lost_on_the_way_through_ingest(run: str) -> None:
    direct, _ = load(run)
    _, _, stream = events(shared_data(f"vllm-runs/{run}.jsonl"), COLUMNS)
    read = read_log(stream(), 1_000)
    assert (read.left_out, read.beyond, read.own_clock) == (0, 0, True)
    log = read.log
    # Events have microseconds, the engine's clock nanoseconds: those come back bit for bit.
    assert np.abs(log.arrival_s - direct.arrival_s).max() < 1e-6
    for name in ("input_tokens", "output_tokens"):
        assert np.array_equal(getattr(log, name), getattr(direct, name))
    for name in ("queued_s", "scheduled_s", "first_token_s", "last_token_s"):
        assert np.array_equal(getattr(log, name), getattr(direct, name)), name


def test_events_given_as_objects_are_read_as_those_of_a_workload() -> None:
    path = shared_data("vllm-runs/rtx4090-llama-3.1-8b.jsonl")
    _, _, stream = events(path, COLUMNS)
    rows = [row for batch in stream() for row in batch.to_pylist()]
    inline = [
        row | {"ts": row["ts"].isoformat(), "attributes": dict(row["attributes"])} for row in rows
    ]
    whole = read_log(stream(), 1_000).log
    for given in (rows, inline):
        read = read_log(batches_of(given, "predict"), 1_000).log
        assert np.array_equal(read.arrival_s, whole.arrival_s)
        assert np.array_equal(read.last_token_s, whole.last_token_s)


def event(second: int, **others: object) -> dict[str, object]:
    known = {"ts": datetime(2026, 5, 1, 12, 0, second, tzinfo=UTC).isoformat()}
    return known | {"input_tokens": 5, "output_tokens": 2} | others


def test_without_the_engines_clock_requests_are_queued_as_they_arrive() -> None:
    given = [event(3, ttft_ms=500.0, latency_ms=1500.0), event(1), event(2, output_tokens=0)]
    read = read_log(batches_of(given, "predict"), 1_000)
    assert (read.left_out, read.own_clock) == (1, False)
    log = read.log
    assert list(np.diff(log.arrival_s)) == [2.0]
    assert np.array_equal(log.queued_s, log.arrival_s)
    assert np.isnan(log.first_token_s[0])
    assert log.ttft_s[1] == pytest.approx(0.5, abs=1e-6)
    assert log.latency_s[1] == pytest.approx(1.5, abs=1e-6)


def test_the_first_requests_by_arrival_are_read() -> None:
    read = read_log(batches_of([event(k) for k in (5, 4, 3, 2, 1)], "predict"), 2)
    assert (len(read.log), read.beyond) == (2, 3)
    assert read.log.arrival_s[-1] - read.log.arrival_s[0] == 1.0


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(InsufficientData) as lacks:
        read_log(batches_of([event(1, input_tokens=None)], "predict"), 10)
    assert lacks.value.needs == ["input_tokens", "output_tokens"]
    for given in (
        [],
        [event(1) | {"ts": "soon"}],
        [event(1, ttft_ms="x")],
        [event(1, attributes=3)],
    ):
        with pytest.raises(InvalidInput) as caught:
            list(batches_of(given, "predict"))
        assert caught.value.errors[0].where.startswith("predict")
