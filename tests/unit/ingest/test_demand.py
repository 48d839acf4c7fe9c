"""Demand series are read as rates, not as requests."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from netra.ingest import read
from netra.ingest.trace import Trace
from netra.models.demand import DEMAND_COLUMN_NAMES
from netra.models.demand_arrow import DEMAND_SCHEMA
from tests.shared_data import shared_data
from tests.unit.ingest.traces import refusal, text


def rows(path: Path, **options: object) -> list[dict[str, object]]:
    _, stream = read.demand(path, **options)  # type: ignore[arg-type]
    return [row for batch in stream() for row in batch.to_pylist()]


@pytest.mark.parametrize(("time", "series"), [("t", "client"), ("ts", "series"), ("time", "name")])
def test_a_series_is_detected_by_its_columns(tmp_path: Path, time: str, series: str) -> None:
    path = text(
        tmp_path / "d.csv", f"{time},{series},rate,cv", "600,b,2,", "0,a,1.5,0.1", "0,b,0,1"
    )
    info = Trace(path).info
    assert (info.format, info.kind, info.anchored) == ("demand-csv", "demand", False)
    assert [(r["series"], r["rate"], r["cv"]) for r in rows(path)] == [
        ("a", 1.5, 0.1),
        ("b", 0.0, 1.0),
        ("b", 2.0, None),
    ]


def test_a_start_anchors_the_times_and_the_ids(tmp_path: Path) -> None:
    path = text(tmp_path / "d.csv", "t,series,rate", "0,a,1", "600,a,2")
    start = datetime(2026, 1, 5, tzinfo=UTC)
    assert Trace(path, start=start).info.anchored
    found = rows(path, start=start)
    assert found[0]["ts"] == start
    assert found[0]["point_id"] == f"a@{int(start.timestamp())}000000"
    assert rows(path)[0]["point_id"] == "a@0"


def test_calendar_times_are_anchored(tmp_path: Path) -> None:
    path = text(tmp_path / "d.jsonl", '{"time": "2026-01-05T00:00:00Z", "series": "a", "rate": 1}')
    info = Trace(path).info
    assert (info.format, info.anchored) == ("demand-jsonl", True)


def test_a_series_has_one_rate_at_a_time(tmp_path: Path) -> None:
    path = text(tmp_path / "d.csv", "t,series,rate", "0,a,1", "0,a,9", "0,b,3")
    assert [r["rate"] for r in rows(path)] == [1.0, 3.0]


def test_bad_rows_are_named(tmp_path: Path) -> None:
    path = text(tmp_path / "d.csv", "t,series,rate", "0,a,1", "600,a,-1", "x,a,1", "1200,,")
    assert {p.where for p in refusal(path).errors} == {
        *("line 3, column rate", "line 4, column t"),
        *("line 5, column rate", "line 5, column series"),
    }


def test_requests_that_carry_a_rate_stay_requests(tmp_path: Path) -> None:
    path = text(tmp_path / "d.csv", "ts,name,rate,model", "2026-01-05,x,1,m")
    info = Trace(path).info
    assert (info.format, info.kind) == ("netra-csv", "requests")


def test_what_a_named_format_lacks_is_said(tmp_path: Path) -> None:
    path = text(tmp_path / "d.csv", "t,rate", "0,1")
    error = refusal(path, format="demand-csv")
    assert "series or client or name" in str(error)


def test_the_schemas_agree() -> None:
    assert tuple(DEMAND_SCHEMA.names) == DEMAND_COLUMN_NAMES


def test_real_series() -> None:
    info, stream = read.demand(shared_data("demand-m-small.parquet"))
    assert (info.format, info.anchored) == ("demand-parquet", False)
    assert sum(batch.num_rows for batch in stream()) == 86_688


def test_a_second_rate_at_a_time_is_left_out_and_told(tmp_path: Path) -> None:
    file = tmp_path / "d.csv"
    file.write_text("t,client,rate\n0,a,1\n600,a,2\n600,a,9\n")
    told: list[int] = []
    _, stream = read.demand(file, repeated=told.append)
    assert told == [1]
    assert [r for batch in stream() for r in batch["rate"].to_pylist()] == [1.0, 2.0]
