"""Tables of stage results come back as they were, per attempt."""

from __future__ import annotations

import pyarrow as pa
import pytest

from netra.ids import new_id
from netra.store import series
from netra.store.series import Writer
from tests.integration.ingest.conftest import Desk


def _table(rows: int) -> pa.Table:
    return pa.table(
        {
            "hash": pa.array([2**64 - 1 - i for i in range(rows)], pa.uint64()),
            "ratio": pa.array([None if i % 3 else i / 7 for i in range(rows)], pa.float64()),
            "model": pa.array([f"m{i % 2}" for i in range(rows)]),
            "ts": pa.array(range(rows), pa.timestamp("us", "UTC")),
        }
    )


@pytest.fixture
def writer() -> Writer:
    return Writer(tenant_id="default", job_id=new_id(), stage_id=new_id(), attempt=1)


@pytest.mark.parametrize("rows", [0, 1, 10, 70_000])
def test_round_trip(desk: Desk, writer: Writer, rows: int) -> None:
    table = _table(rows)
    series.write(desk.client, writer, "curve", table)
    found = series.read(desk.client, writer, "curve")
    assert found is not None
    assert found.schema == table.schema
    assert found.equals(table)
    assert series.names(desk.client, writer) == {"curve": rows}


def test_writing_again_changes_nothing(desk: Desk, writer: Writer) -> None:
    for _ in range(2):
        series.write(desk.client, writer, "curve", _table(5))
    found = series.read(desk.client, writer, "curve")
    assert found is not None
    assert found.num_rows == 5
    assert series.names(desk.client, writer) == {"curve": 5}


def test_attempts_are_apart(desk: Desk, writer: Writer) -> None:
    loser = Writer(
        tenant_id=writer.tenant_id, job_id=writer.job_id, stage_id=writer.stage_id, attempt=2
    )
    series.write(desk.client, writer, "curve", _table(5))
    series.write(desk.client, loser, "curve", _table(3))
    series.write(desk.client, loser, "other", _table(3))
    assert series.read(desk.client, writer, "other") is None
    assert series.names(desk.client, loser) == {"curve": 3, "other": 3}


def test_what_attempts_left_before_another_is_deleted(desk: Desk, writer: Writer) -> None:
    second = Writer(
        tenant_id=writer.tenant_id, job_id=writer.job_id, stage_id=writer.stage_id, attempt=2
    )
    series.write(desk.client, writer, "curve", _table(5))
    series.write(desk.client, second, "curve", _table(3))
    series.delete_before(desk.client, second)
    assert series.names(desk.client, writer) == {}
    assert series.names(desk.client, second) == {"curve": 3}
