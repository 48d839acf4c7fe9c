"""A file is ingested wholly or not at all, and each event once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from netra.errors import Conflict, InvalidEvents, InvalidInput, NotFound
from netra.ids import new_id
from netra.ingest import generate
from netra.ingest.heartbeat import Heartbeat
from netra.ingest.load import sweep
from netra.ingest.read import events as read_events
from netra.store import ingest, postgres
from tests.integration.ingest.conftest import TENANT, Desk
from tests.waiting import until

Make = Callable[..., Path]


def test_a_file_becomes_visible_as_it_is_read_without_a_store(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "made.parquet"
    generate.write(path, 60_000, seed=5, days=3)
    workload_id, seen = desk.workload(), []
    outcome = desk.load(path, workload_id, progress=lambda *now: seen.append(now))
    columns = (*generate.COLUMNS, "attributes", "row")
    info, count, stream = read_events(path, columns)
    stored = desk.events(workload_id, *columns)
    read = pa.Table.from_batches(list(stream()))
    assert stored.schema == read.schema
    for name in columns:
        assert stored[name].equals(read[name]), name
    assert (outcome.rows, outcome.events, outcome.duplicates) == (60_000, 60_000, 0)
    assert outcome.anchored
    assert info.anchored
    assert count == 60_000
    size = path.stat().st_size
    assert seen[-1] == (60_000, size, size)
    assert [now[0] for now in seen] == sorted(now[0] for now in seen)
    workload = desk.row("SELECT * FROM workloads WHERE id = %s", workload_id)
    assert (workload["events"], workload["anchored"]) == (60_000, True)
    assert (workload["min_ts"], workload["max_ts"]) == (outcome.min_ts, outcome.max_ts)


def test_the_same_file_again_changes_nothing(desk: Desk, csv_file: Make) -> None:
    workload_id = desk.workload()
    path = csv_file([(0, "a", 1), (1, "b", 2)])
    first = desk.load(path, workload_id)
    again = desk.load(path, workload_id)
    assert (again.ingest_id, again.events, again.duplicates) == (first.ingest_id, 0, 2)
    assert desk.visible(workload_id) == [first.ingest_id]
    assert desk.stored(workload_id) == 2


def test_the_same_events_in_another_file_change_nothing(
    desk: Desk, csv_file: Make, tmp_path: Path
) -> None:
    workload_id = desk.workload()
    desk.load(csv_file([(0, "a", 1), (1, "b", 2)]), workload_id)
    other = tmp_path / "events.jsonl"
    other.write_text(
        '{"ts": 1735689601, "event_id": "b", "input_tokens": 2}\n'
        '{"ts": 1735689600, "event_id": "a", "input_tokens": 1}\n'
    )
    outcome = desk.load(other, workload_id)
    assert (outcome.events, outcome.duplicates) == (0, 2)
    assert desk.events(workload_id, "event_id")["event_id"].to_pylist() == ["a", "b"]
    assert desk.row("SELECT events FROM workloads WHERE id = %s", workload_id) == {"events": 2}


def test_an_overlapping_append_adds_what_is_new(desk: Desk, csv_file: Make) -> None:
    workload_id = desk.workload()
    desk.load(csv_file([(0, "a", 1), (5, "b", 2)]), workload_id)
    outcome = desk.load(csv_file([(5, "b", 99), (5, "c", 3), (2, "d", 4)], "more.csv"), workload_id)
    assert (outcome.rows, outcome.events, outcome.duplicates) == (3, 2, 1)
    table = desk.events(workload_id, "event_id", "input_tokens", "row")
    assert table["event_id"].to_pylist() == ["a", "d", "b", "c"]
    assert table["input_tokens"].to_pylist() == [1, 4, 2, 3]  # what was there first stays
    assert table["row"].to_pylist() == [0, 4, 1, 3]  # numbered in order of arrival
    assert desk.row("SELECT events FROM workloads WHERE id = %s", workload_id) == {"events": 4}
    third = desk.load(csv_file([(9, "e", 5), (0, "a", 1)], "third.csv"), workload_id)
    assert (third.events, third.duplicates) == (1, 1)


def test_an_id_twice_in_a_file_counts_once_and_the_first_wins(desk: Desk, csv_file: Make) -> None:
    workload_id = desk.workload()
    outcome = desk.load(csv_file([(3, "a", 1), (1, "b", 2), (0, "a", 3)]), workload_id)
    assert (outcome.events, outcome.duplicates) == (2, 1)
    assert desk.events(workload_id, "input_tokens")["input_tokens"].to_pylist() == [2, 1]


def test_overlapping_files_without_ids(desk: Desk, tmp_path: Path) -> None:
    rows = [f"2023-11-16 18:15:{i:02}.6805900,{i % 3},44" for i in (0, 0, 1, 2, 3, 3)]
    header = "TIMESTAMP,ContextTokens,GeneratedTokens"
    workload_id = desk.workload()
    for name, part in (("first.csv", rows[:4]), ("second.csv", rows[2:])):
        path = tmp_path / name
        path.write_text("\n".join([header, *part]) + "\n")
        outcome = desk.load(path, workload_id)
    assert (outcome.events, outcome.duplicates) == (2, 2)
    assert desk.events(workload_id, "input_tokens")["input_tokens"].to_pylist() == [
        0,
        0,
        1,
        2,
        0,
        0,
    ]


def test_ids_are_compared_in_buckets_too(
    desk: Desk, csv_file: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netra.store.event_dedupe._BUCKET_ROWS", 50)
    workload_id = desk.workload()
    desk.load(csv_file([(i, f"e{i}", i) for i in range(200)]), workload_id)
    again = [(i, f"e{i}", i) for i in range(150, 300)] + [(299, "e299", 0)]
    outcome = desk.load(csv_file(again, "more.csv"), workload_id)
    assert (outcome.events, outcome.duplicates) == (100, 51)
    found = desk.events(workload_id, "event_id")["event_id"].to_pylist()
    assert found == [f"e{i}" for i in range(300)]


def test_a_bad_file_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    good = [f"{1735689600 + i},e{i},{i}" for i in range(100_000)]
    path.write_text("\n".join(["ts,event_id,input_tokens", *good, "1735689600,x,-1"]) + "\n")
    workload_id = desk.workload()
    with pytest.raises(InvalidEvents, match="line 100002, column input_tokens"):
        desk.load(path, workload_id)
    row = desk.row("SELECT state, error FROM ingests WHERE workload_id = %s", workload_id)
    assert row["state"] == "failed"
    assert row["error"]["type"] == "invalid-events"
    assert row["error"]["errors"][0]["where"] == "line 100002, column input_tokens"
    assert desk.visible(workload_id) == []
    assert desk.row("SELECT events, anchored FROM workloads WHERE id = %s", workload_id) == {
        "events": 0,
        "anchored": None,
    }
    path.write_text("\n".join(["ts,event_id,input_tokens", *good]) + "\n")
    assert desk.load(path, workload_id).events == 100_000


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,b\n1,2\n"])
def test_a_file_that_is_no_trace_leaves_a_failed_ingest(
    desk: Desk, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "nothing"
    path.write_bytes(content)
    workload_id = desk.workload()
    with pytest.raises(InvalidEvents):
        desk.load(path, workload_id)
    assert desk.stored(workload_id) == 0
    row = desk.row("SELECT state FROM ingests WHERE workload_id = %s", workload_id)
    assert row == {"state": "failed"}


def test_an_unknown_workload(desk: Desk, csv_file: Make) -> None:
    with pytest.raises(NotFound, match="no workload"):
        desk.load(csv_file([(0, "a", 1)]), new_id())


def test_a_workload_of_another_tenant(desk: Desk, csv_file: Make) -> None:
    workload_id = desk.workload()
    with pytest.raises(NotFound):
        ingest.begin(
            desk.pg,
            tenant_id="somebody-else",
            workload_id=workload_id,
            source_name="x",
            content_hash="y",
        )


def test_calendar_and_relative_times_do_not_mix(desk: Desk, csv_file: Make, tmp_path: Path) -> None:
    relative = tmp_path / "relative.jsonl"
    relative.write_text(
        '{"timestamp": 0, "input_length": 5, "output_length": 5, "hash_ids": [1]}\n'
    )
    workload_id = desk.workload()
    desk.load(csv_file([(0, "a", 1)]), workload_id)
    with pytest.raises(Conflict, match="unknown start"):
        desk.load(relative, workload_id)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    assert desk.load(relative, workload_id, start=start).events == 1


def test_a_second_ingest_waits_its_turn(desk: Desk, csv_file: Make) -> None:
    workload_id = desk.workload()
    begun = ingest.begin(
        desk.pg,
        tenant_id=TENANT,
        workload_id=workload_id,
        source_name="slow.csv",
        content_hash="slow",
    )
    with pytest.raises(Conflict) as caught:
        desk.load(csv_file([(0, "a", 1)]), workload_id)
    assert "slow.csv" in caught.value.errors[0].problem
    assert isinstance(begun, ingest.Begun)
    ingest.fail(desk.pg, begun.id, InvalidInput("over"))
    assert desk.load(csv_file([(0, "a", 1)]), workload_id).events == 1


def test_an_ingest_that_was_taken_over_cannot_finish(desk: Desk, csv_file: Make) -> None:
    workload_id = desk.workload()
    path = csv_file([(0, "a", 1), (1, "b", 2)])

    def stall(rows: int, done: int, total: int) -> None:
        # While this ingest hangs, another one finds it stale and does the work.
        other = csv_file([(7, "c", 3)], "other.csv")
        assert desk.load(other, workload_id, stale_s=0.0).events == 1

    with pytest.raises(Conflict, match="no sign of life"):
        desk.load(path, workload_id, progress=stall)
    assert desk.events(workload_id, "event_id")["event_id"].to_pylist() == ["c"]
    assert desk.row("SELECT events FROM workloads WHERE id = %s", workload_id) == {"events": 1}


def test_sweep_removes_what_failed_ingests_left(desk: Desk, csv_file: Make) -> None:
    sweep(desk.client, desk.pg)
    workload_id = desk.workload()
    desk.load(csv_file([(0, "a", 1)]), workload_id)

    def lose(rows: int, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.load(csv_file([(1, "b", 2)], "lost.csv"), workload_id, progress=lose)
    failed = desk.row(
        "SELECT error FROM ingests WHERE workload_id = %s AND state = 'failed'", workload_id
    )
    assert failed["error"]["swept"] is True
    assert sweep(desk.client, desk.pg) == 0
    assert desk.events(workload_id, "event_id")["event_id"].to_pylist() == ["a"]


def test_sweep_removes_rows_that_postgresql_does_not_know(desk: Desk, csv_file: Make) -> None:
    workload_id = desk.workload()
    outcome = desk.load(csv_file([(0, "a", 1), (0, "a", 2)]), workload_id)
    desk.load(csv_file([(1, "b", 2)], "b.csv"), workload_id)
    assert outcome.duplicates == 1
    sweep(desk.client, desk.pg, unknown=True)
    assert desk.events(workload_id, "event_id")["event_id"].to_pylist() == ["a", "b"]
    desk.pg.execute("DELETE FROM ingests WHERE workload_id = %s", [workload_id])
    assert sweep(desk.client, desk.pg, unknown=True) >= 2
    desk.until_stored(workload_id, 0)


def test_a_slow_step_is_no_silence(desk: Desk) -> None:
    workload_id = desk.workload()
    begun = ingest.begin(
        desk.pg,
        tenant_id=TENANT,
        workload_id=workload_id,
        source_name="slow.csv",
        content_hash="slow",
    )
    assert isinstance(begun, ingest.Begun)
    query = "SELECT heartbeat_at FROM ingests WHERE id = %s"
    before = desk.row(query, begun.id)["heartbeat_at"]
    # The heart has its connection for itself.
    with (
        postgres.connect(desk.settings.database, "test") as pg,
        Heartbeat(pg, begun.id, every_s=0.02) as heartbeat,
    ):
        until(lambda: desk.row(query, begun.id)["heartbeat_at"] > before)
        heartbeat.check()
    ingest.fail(desk.pg, begun.id, InvalidInput("over"))
    with Heartbeat(desk.pg, begun.id, every_s=0.02) as heartbeat:
        until(lambda: heartbeat._lost is not None)
        with pytest.raises(Conflict, match="no sign of life"):
            heartbeat.check()


def test_an_error_after_the_end_takes_nothing_back(
    desk: Desk, csv_file: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload_id = desk.workload()

    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        # The duplicates are deleted once the new events are visible.
        patch.setattr("netra.store.events.delete", broken)
        with pytest.raises(KeyboardInterrupt):
            desk.load(csv_file([(0, "a", 1), (0, "a", 2), (1, "b", 3)]), workload_id)
    assert desk.events(workload_id, "event_id")["event_id"].to_pylist() == ["a", "b"]
    assert sweep(desk.client, desk.pg, unknown=True) >= 1
    desk.until_stored(workload_id, 2)
    assert desk.events(workload_id, "event_id")["event_id"].to_pylist() == ["a", "b"]
