"""Demand series in the store: their own table, whole or not at all, each point once."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from netra.errors import InvalidEvents
from netra.ingest.load import sweep
from netra.ingest.read import demand as read_demand
from netra.store import demand, inputs
from tests.integration.ingest.conftest import TENANT, Desk


def file(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(["t,client,rate,cv", *rows]) + "\n")
    return path


@pytest.fixture
def series(tmp_path: Path) -> Path:
    rows = [f"{600 * w},{c},{c + w / 10},{'' if c else 1.5}" for w in range(500) for c in (1, 0)]
    return file(tmp_path / "a.csv", rows)


def stored(desk: Desk, workload_id: object) -> pa.Table:
    batches = demand.stream(
        desk.client,
        tenant_id=TENANT,
        workload_id=workload_id,  # type: ignore[arg-type]
        ingest_ids=desk.visible(workload_id),  # type: ignore[arg-type]
    )
    return pa.Table.from_batches(list(batches))


def test_what_is_stored_is_what_a_file_reads_as(desk: Desk, series: Path) -> None:
    workload_id = desk.workload()
    outcome = desk.load(series, workload_id)
    assert (outcome.format, outcome.rows, outcome.events) == ("demand-csv", 1000, 1000)
    assert not outcome.anchored
    _, stream = read_demand(series)
    expected = pa.Table.from_batches(list(stream()))
    assert stored(desk, workload_id).equals(expected)


def test_rates_are_no_requests(desk: Desk, series: Path) -> None:
    workload_id = desk.workload()
    desk.load(series, workload_id)
    assert desk.stored(workload_id) == 0
    visible = [str(i) for i in desk.visible(workload_id)]
    assert inputs.event_count(desk.pg, workload_id, visible) == 0


def test_the_same_points_again_change_nothing(desk: Desk, series: Path, tmp_path: Path) -> None:
    workload_id = desk.workload()
    desk.load(series, workload_id)
    before = stored(desk, workload_id)
    assert desk.load(series, workload_id).events == 0
    longer = file(tmp_path / "b.csv", ["600,1,7,", "300000,1,9,", "300000,1,8,"])
    outcome = desk.load(longer, workload_id)
    assert (outcome.events, outcome.duplicates) == (1, 2)
    found = stored(desk, workload_id)
    assert found.slice(0, 1000).equals(before)
    assert found.slice(1000).to_pylist()[0]["rate"] == 9.0


def test_a_bad_file_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    workload_id = desk.workload()
    rows = [f"{600 * w},a,1,2" for w in range(100)]
    with pytest.raises(InvalidEvents) as raised:
        desk.load(file(tmp_path / "c.csv", [*rows, "60000,a,-1,2"]), workload_id)
    assert raised.value.errors[0].where == "line 102, column rate"
    assert desk.visible(workload_id) == []
    sweep(desk.client, desk.pg, unknown=True)
    query = "SELECT count() FROM demand_points WHERE workload_id = {id:UUID}"
    assert desk.client.query(query, {"id": str(workload_id)}).result_rows[0][0] == 0
