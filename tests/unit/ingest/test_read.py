"""A file as a workload: ordered by time and arrival, each event once, only the asked columns."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from netra.ingest.read import events, read
from tests.unit.ingest.traces import text


def _workload(tmp_path: Path) -> Path:
    rows = [
        "1735689602,c,1",
        "1735689600,a,2",
        "1735689602,b,3",
        "1735689601,a,4",
        "1735689600,d,5",
    ]
    return text(tmp_path / "n.csv", "ts,event_id,input_tokens", *rows)


def test_read_gives_the_file_order(tmp_path: Path) -> None:
    info, batches = read(_workload(tmp_path))
    table = pa.Table.from_batches(list(batches))
    assert (info.format, info.anchored) == ("netra-csv", True)
    assert table["row"].to_pylist() == [0, 1, 2, 3, 4]


def test_events_are_ordered_and_counted_once(tmp_path: Path) -> None:
    _, count, stream = events(_workload(tmp_path), ["input_tokens", "row"])
    table = pa.Table.from_batches(list(stream()))
    assert count == 4
    assert table.column_names == ["input_tokens", "row"]
    assert table["input_tokens"].to_pylist() == [2, 5, 1, 3]  # the second `a` is a repetition
    assert table["row"].to_pylist() == [1, 4, 0, 2]
    assert pa.Table.from_batches(list(stream())).equals(table)


def test_events_in_order_are_not_copied_about(tmp_path: Path) -> None:
    path = text(tmp_path / "n.csv", "ts,app", *(f"{1735689600 + i // 2},x" for i in range(40_000)))
    _, count, stream = events(path, ["ts"])
    batches = list(stream())
    assert count == sum(b.num_rows for b in batches) == 40_000
    assert len(batches) > 1
