"""Events are streamed in order, page by page, filtered, described and deleted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from netra.errors import InvalidInput
from netra.ingest import generate
from netra.models.event import EVENT_COLUMN_NAMES, EVENT_COLUMNS, OWNER_COLUMNS
from netra.store import events
from tests.integration.ingest.conftest import TENANT, Desk

_ROWS = 30_000


@pytest.fixture
def made(desk: Desk, tmp_path: Path):
    path = tmp_path / "made.parquet"
    generate.write(path, _ROWS, seed=2, days=2)
    workload_id = desk.workload()
    desk.load(path, workload_id)
    return workload_id


def test_the_table_is_what_the_model_says(desk: Desk) -> None:
    found = desk.client.query("DESCRIBE TABLE workload_events").result_rows
    assert [(row[0], row[1]) for row in found] == [
        (c.name, c.type) for c in OWNER_COLUMNS + EVENT_COLUMNS
    ]


def test_pages_join_seamlessly(desk: Desk, made, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = desk.events(made, "ts", "row", "event_id")
    monkeypatch.setattr(events, "_FIRST_PAGE_ROWS", 500)
    monkeypatch.setattr(events, "_PAGE_ROWS", 777)
    assert desk.events(made, "ts", "row", "event_id").equals(whole)
    assert whole.num_rows == _ROWS
    keys = list(zip(whole["ts"].to_pylist(), whole["row"].to_pylist(), strict=True))
    assert keys == sorted(set(keys))


def test_equal_times_over_a_page_boundary(
    desk: Desk, csv_file, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_FIRST_PAGE_ROWS", 3)
    monkeypatch.setattr(events, "_PAGE_ROWS", 3)
    workload_id = desk.workload()
    desk.load(csv_file([(0, f"e{i}", i) for i in range(10)]), workload_id)
    assert desk.events(workload_id, "input_tokens")["input_tokens"].to_pylist() == list(range(10))


def test_filters(desk: Desk, made) -> None:
    columns = ("model", "status", "tool_name", "input_tokens")
    rows = desk.events(made, *columns).to_pylist()

    def count(**values: object) -> int:
        return sum(all(row[k] == v for k, v in values.items()) for row in rows)

    assert count(model="gpt-4o", status="error") > 0
    for where in (
        {"model": "gpt-4o"},
        {"model": "gpt-4o", "status": "error"},
        {"tool_name": None},
        {"input_tokens": rows[0]["input_tokens"]},
        {"model": "no such model"},
        {"model": "'; DROP TABLE x"},
    ):
        assert desk.events(made, "row", where=where).num_rows == count(**where), where
    both = {"model": ["gpt-4o", "gpt-4o-mini"]}
    expected = count(model="gpt-4o") + count(model="gpt-4o-mini")
    assert desk.events(made, "row", where=both).num_rows == expected


def test_filters_on_attributes(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text("ts,team\n1735689600,a\n1735689601,b\n1735689602,\n")
    workload_id = desk.workload()
    desk.load(path, workload_id)
    for where, rows in (
        ({"attributes.team": "a"}, [0]),
        ({"attributes.team": ["a", "b"]}, [0, 1]),
        ({"attributes.team": None}, [2]),
        ({"attributes.other": "a"}, []),
    ):
        assert desk.events(workload_id, "row", where=where)["row"].to_pylist() == rows


def test_an_unknown_column(desk: Desk, made) -> None:
    with pytest.raises(InvalidInput, match="no column 'price'"):
        desk.events(made, "price")
    with pytest.raises(InvalidInput, match="no column 'tenant_id'"):
        desk.events(made, "row", where={"tenant_id": "other"})


def test_another_tenant_sees_nothing(desk: Desk, made) -> None:
    batches = events.stream(
        desk.client,
        tenant_id="other",
        workload_id=made,
        ingest_ids=desk.visible(made),
        columns=["row"],
    )
    assert sum(batch.num_rows for batch in batches) == 0


def test_description(desk: Desk, made) -> None:
    table = desk.events(made, *EVENT_COLUMN_NAMES)
    found = events.describe(
        desk.client, tenant_id=TENANT, workload_id=made, ingest_ids=desk.visible(made)
    )
    assert found.events == _ROWS
    assert (found.min_ts, found.max_ts) == (table["ts"][0].as_py(), table["ts"][-1].as_py())
    for name in EVENT_COLUMN_NAMES:
        known = [v for v in table[name].to_pylist() if v not in (None, [])]
        assert found.known[name] == len(known), name
    for name in events.DISTINCT_COLUMNS:
        assert found.distinct[name] == len(Counter(table[name].drop_null().to_pylist())), name
    assert found.attribute_names == ()


def test_description_of_nothing(desk: Desk) -> None:
    found = events.describe(
        desk.client, tenant_id=TENANT, workload_id=desk.workload(), ingest_ids=[]
    )
    assert (found.events, found.min_ts, set(found.known.values())) == (0, None, {0})


def test_deleting_a_workload_spares_the_others(desk: Desk, made, csv_file) -> None:
    other = desk.workload()
    desk.load(csv_file([(0, "a", 1)]), other)
    events.delete_workload(desk.client, tenant_id=TENANT, workload_id=made, wait=True)
    assert desk.events(made, "row").num_rows == 0
    assert desk.events(other, "row").num_rows == 1
