"""Content hashes: the same content has the same id, whatever the file, and nothing else has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.ingest import generate
from netra.ingest.identity import Occurrences, content_hashes, event_ids, mix
from netra.ingest.schema import TRACE_SCHEMA, assemble
from netra.ingest.write import write_events
from tests.unit.ingest.traces import read_table, text


def _batch(rows: int = 3_000) -> pa.RecordBatch:
    table = pa.Table.from_batches(list(generate.workload(rows, days=1)[1])).combine_chunks()
    columns = dict(zip(table.column_names, table.to_batches()[0].columns, strict=True))
    numbers = pa.array(np.arange(rows), pa.uint64())
    return assemble({**columns, "row": numbers}, rows, TRACE_SCHEMA)


def test_mix_is_splitmix64() -> None:
    # The first outputs of the reference generator seeded with 0 (Vigna's splitmix64.c).
    golden = 0x9E3779B97F4A7C15
    seeds = np.array([0, golden, 2 * golden % 2**64], np.uint64)
    assert [hex(v) for v in mix(seeds)] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


def test_every_part_of_an_event_counts() -> None:
    batch = _batch(50)
    before = content_hashes(batch)
    changes = {
        "ts": pa.array(batch["ts"].cast(pa.int64()).to_numpy() + 1).cast(
            TRACE_SCHEMA.field("ts").type
        ),
        "model": pa.array(["other"] * 50),
        "input_tokens": pa.array(np.arange(50), pa.uint32()),
        "latency_ms": pa.array(np.arange(50) / 7.0),
        "prefix_hashes": pa.array([[i, 1] for i in range(50)], pa.list_(pa.uint64())),
        "attributes": pa.array(
            [[("k", str(i))] for i in range(50)], TRACE_SCHEMA.field("attributes").type
        ),
        "trace_id": pa.array(["t"] * 50),
    }
    for name, array in changes.items():
        i = TRACE_SCHEMA.get_field_index(name)
        changed = content_hashes(batch.set_column(i, TRACE_SCHEMA.field(i), array))
        assert (changed != before).any(axis=1).all(), name
    i = TRACE_SCHEMA.get_field_index("row")
    same = content_hashes(
        batch.set_column(i, TRACE_SCHEMA.field(i), batch["row"].take(pa.array(range(50))[::-1]))
    )
    assert (same == before).all()


def test_hashes_differ_and_do_not_depend_on_the_batch() -> None:
    batch = _batch()
    whole = content_hashes(batch)
    parts = np.concatenate([content_hashes(batch.slice(at, 700)) for at in range(0, 3_000, 700)])
    assert (whole == parts).all()
    assert len(np.unique(whole[:, 0])) == len(np.unique(whole[:, 1])) == 3_000


def test_order_counts_in_hash_lists_but_not_in_attributes() -> None:
    attributes = TRACE_SCHEMA.field("attributes").type
    columns = {
        "event_id": pa.array(["", ""]),
        "ts": pa.array([1, 1]).cast(TRACE_SCHEMA.field("ts").type),
        "row": pa.array([0, 1], pa.uint64()),
    }
    maps = pa.array([[("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")]], attributes)
    first, second = content_hashes(assemble({**columns, "attributes": maps}, 2, TRACE_SCHEMA))
    assert (first == second).all()
    lists = pa.array([[1, 2], [2, 1]], pa.list_(pa.uint64()))
    first, second = content_hashes(assemble({**columns, "prefix_hashes": lists}, 2, TRACE_SCHEMA))
    assert (first != second).all()


def test_ids_are_the_same_in_every_format(tmp_path: Path) -> None:
    batches = list(generate.workload(500, days=1)[1])
    columns = [name for name in generate.COLUMNS if name != "event_id"]
    ids = []
    for suffix in ("csv", "jsonl", "parquet"):
        path = tmp_path / f"n.{suffix}"
        write_events(path, batches, columns=columns)
        ids.append(read_table(path)["event_id"].to_pylist())
    assert ids[0] == ids[1] == ids[2]
    assert len(set(ids[0])) == 500


def test_repeated_content_is_numbered(tmp_path: Path) -> None:
    rows = ["1735689600,a", "1735689600,b", "1735689600,a", "1735689600,a"]
    first, other, second, third = read_table(text(tmp_path / "n.csv", "ts,app", *rows))[
        "event_id"
    ].to_pylist()
    assert len(first) == len(other) == 32
    assert (second, third) == (f"{first}-1", f"{first}-2")


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 6), max_size=9), max_size=12))
def test_occurrences_against_a_counter(calls: list[list[int]]) -> None:
    occurrences, seen = Occurrences(), Counter[int]()
    for values in calls:
        expected = []
        for value in values:
            expected.append(seen[value])
            seen[value] += 1
        assert occurrences.number(np.array(values, np.uint64)).tolist() == expected


def test_an_event_id_is_the_hash_in_hex() -> None:
    batch = _batch(2)
    lanes = content_hashes(batch)
    assert event_ids(batch, Occurrences()).to_pylist() == [f"{a:016x}{b:016x}" for a, b in lanes]
