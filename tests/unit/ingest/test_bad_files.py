"""Whatever is wrong with a file is reported with its place, and what to do."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from netra.errors import InvalidEvents, InvalidInput
from netra.ingest.problems import GIVE_UP_AFTER, SHOWN
from netra.ingest.trace import Trace
from tests.unit.ingest.traces import refusal, text

_AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens"
_GOOD = "2023-11-16 18:15:46.6805900,374,44"


@pytest.mark.parametrize("content", ["", "\n\n", _AZURE, _AZURE + "\n", "ts,model\n\n"])
def test_no_events(tmp_path: Path, content: str) -> None:
    path = tmp_path / "empty.csv"
    path.write_text(content)
    error = refusal(path)
    assert error.status == 422
    assert "empty" in str(error) or "no rows" in str(error)
    assert "empty.csv" in str(error)


_CSV = [
    (f"{_AZURE}\n{_GOOD}\n2023-11-16 18:15:47,-5,4", "line 3, column ContextTokens", "negative"),
    (f"{_AZURE}\n{_GOOD}\n2023-11-16 18:15:47,5,x", "line 3, column GeneratedTokens", "number"),
    (f"{_AZURE}\n{_GOOD}\n2023-11-16 18:15:47,5,1.5", "line 3, column GeneratedTokens", "whole"),
    (f"{_AZURE}\nyesterday,5,4\n{_GOOD}", "line 2, column TIMESTAMP", "not a time"),
    (f"{_AZURE}\n2023-02-30 00:00:00,5,4", "line 2, column TIMESTAMP", "not a time"),
    (f"{_AZURE}\n,5,4", "line 2, column TIMESTAMP", "missing"),
    (f"{_AZURE}\n{_GOOD}\n\n2023-11-16 18:15:47,4294967296,4", "line 4, column C", "larger"),
    (f"{_AZURE}\n2023-11-16 18:15:47,NaN,4", "line 2, column ContextTokens", "finite"),
    (f"{_AZURE}\n{_GOOD}\n2023-11-16 18:15:47,5", "line 3", "2 values; the header has 3"),
    (f"{_AZURE}\n{_GOOD}\n2023-11-16 18:15:47,5,4,3\n{_GOOD}", "line 3", "4 values"),
    (f"{_AZURE[:-2]}\n{_GOOD}", "line 1, column GeneratedTokens", "lacks"),
    ("TIMESTAMP,ContextTokens,ContextTokens\n1,2,3", "line 1, column 3", "twice"),
    ("a,b\n1,2", "line 1", "unknown format"),
    ("ts,latency_ms\n2025-01-01T00:00:00Z,inf", "line 2, column latency_ms", "finite"),
    ("ts,quality\n2025-01-01T00:00:00Z,1.5", "line 2, column quality", "larger than 1"),
    ("ts,prefix_hashes\n2025-01-01T00:00:00Z,[1;2]", "line 2, column prefix_hashes", "JSON"),
    ('ts,prefix_hashes\n2025-01-01T00:00:00Z,"[1,-2]"', "line 2, column prefix_h", "negative"),
    ("ts,attributes\n2025-01-01T00:00:00Z,[1]", "line 2, column attributes", "JSON object"),
    ("ts,app\n1735689600,a\n0,b", "line 3, column ts", "mixes"),
    ("ts,event_id\n1735689600,a\n1735689600,", "line 3, column event_id", "missing"),
    ('ts,app\n1735689600,"a\nb"\n,c', "line 4, column ts", "missing"),
    ("ts,model\n1735689600,m\n1735689601,g\0m", "line 3, column model", "NUL"),
    ("ts,team\n1735689600,a\n1735689601,b\0", "line 3, column team", "NUL"),
    ("ts,te\0am\n1735689600,a", "line 1, column 2", "NUL"),
    (f"{_AZURE},note\n{_GOOD},a\0b", "line 2, column note", "NUL"),
    ("ts,series,rate\n1735689600,a\0b,1", "line 2, column series", "NUL"),
]


@pytest.mark.parametrize(("content", "where", "problem"), _CSV)
def test_bad_csv(tmp_path: Path, content: str, where: str, problem: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)
    error = refusal(path)
    assert error.errors[0].where.startswith(where)
    assert problem in error.errors[0].problem
    assert "nothing was ingested" in error.detail


_TS = '"ts": "2025-01-01T00:00:00Z"'
_JSONL = [
    (f"{{{_TS}}}\n[1, 2]", "line 2", "not a JSON object"),
    (f"{{{_TS}}}\n{{{_TS}", "line 2", "not JSON"),
    (f"{{{_TS}}}\n\n{{{_TS}, {_TS[:-2]}", "line 3", "not JSON"),
    ('[{"ts": 1}]', "line 1", "one object per event"),
    ('{"ts": 1', "line 1", "not JSON"),
    (f'{{{_TS}, "input_tokens": -1}}', "line 1, column input_tokens", "negative"),
    (f'{{{_TS}, "input_tokens": "many"}}', "line 1, column input_tokens", "not a number"),
    (f'{{{_TS}, "input_tokens": true}}', "line 1, column input_tokens", "not a number"),
    (f'{{{_TS}, "output_tokens": 4294967296}}', "line 1, column output_tokens", "larger"),
    (f'{{{_TS}, "prefix_hashes": 5}}', "line 1, column prefix_hashes", "list"),
    (f'{{{_TS}, "prompt_hash": 1.5}}', "line 1, column prompt_hash", "whole"),
    (f'{{{_TS}}}\n{{"model": "m"}}', "line 2, column ts", "missing"),
    (f'{{{_TS}}}\n{{"ts": true}}', "line 2, column ts", "not a time"),
    (f'{{{_TS}, "app": ["x"]}}', "line 1, column app", "not text"),
    ('{"model": "m", "input_tokens": 5}', "line 1", "unknown format"),
    ('{"timestamp": 0, "input_length": 5}', "line 1, column output_length", "lacks"),
    (f'{{{_TS}}}\n{{{_TS}, "model": "gpt\\u0000-4"}}', "line 2, column model", "NUL"),
    (f'{{{_TS}, "app": "a"}}\n{{{_TS}, "app": "a\\u0000b"}}', "line 2, column app", "NUL"),
    (f'{{{_TS}, "event_id": "\\u0000"}}', "line 1, column event_id", "NUL"),
    (f'{{{_TS}, "team": "\\u0000"}}', "line 1, column team", "NUL"),
    (f'{{{_TS}}}\n{{{_TS}, "te\\u0000am": "a"}}', "line 2", "NUL"),
    (f'{{{_TS}, "attributes": {{"a": "\\u0000"}}}}', "line 1, column attributes", "NUL"),
    (f'{{{_TS}, "attributes": {{"\\u0000": "a"}}}}', "line 1, column attributes", "NUL"),
    # The second object's attributes make Arrow give up: they are looked at one by one.
    (
        f'{{{_TS}, "attributes": {{"a": [1, "x\\u0000"]}}}}\n{{{_TS}, "attributes": 5}}',
        "line 2, column attributes",
        "not a JSON object",
    ),
]


@pytest.mark.parametrize(("content", "where", "problem"), _JSONL)
def test_bad_jsonl(tmp_path: Path, content: str, where: str, problem: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    error = refusal(path)
    assert error.errors[0].where == where
    assert problem in error.errors[0].problem


def test_a_nul_is_shown_so_that_a_person_sees_it(tmp_path: Path) -> None:
    error = refusal(text(tmp_path / "bad.jsonl", f'{{{_TS}, "model": "gpt\\u0000-4"}}'))
    assert error.errors[0].got == r"gpt\x00-4"


@pytest.mark.parametrize("year", [1, 1970, 2261, 9999])
def test_a_trace_begins_when_its_events_can_be_kept(tmp_path: Path, year: int) -> None:
    path = text(tmp_path / "r.csv", "ts,app", "1,a")
    with pytest.raises(InvalidInput) as caught:
        Trace(path, start=datetime(year, 2, 1, tzinfo=UTC))
    assert caught.value.errors[0].where == "start"
    for good in (1971, 2260):
        assert Trace(path, start=datetime(good, 2, 1, tzinfo=UTC)).info.anchored


def test_two_objects_in_a_line_are_refused(tmp_path: Path) -> None:
    error = refusal(text(tmp_path / "bad.jsonl", '{"ts": 1735689600}{"ts": 1735689601}'))
    assert error.errors[0].where == "line 1"


@pytest.mark.parametrize(
    ("column", "values", "problem"),
    [
        ("input_tokens", pa.array([1, -2], pa.int64()), "negative"),
        ("output_tokens", pa.array([1, 2**32], pa.int64()), "larger"),
        ("latency_ms", pa.array([1.0, float("nan")]), "finite"),
        ("latency_ms", pa.array([1.0, float("inf")]), "finite"),
        ("input_tokens", pa.array([1.0, float("nan")]), "finite"),
        ("input_tokens", pa.array([1.0, 2.5]), "whole"),
        ("prefix_hashes", pa.array([[1], [-1]], pa.list_(pa.int64())), "negative"),
        ("app", pa.array([["a"], ["b"]]), "not text"),
        ("note", pa.array([b"a", b"\xff"], pa.binary()), "not text"),
        ("model", pa.array(["a", "b\0"]), "NUL"),
        ("model", pa.array(["a", "b\0"]).dictionary_encode(), "NUL"),
        ("model", pa.array(["a", "b\0"], pa.large_string()), "NUL"),
        ("attributes", pa.array([[], [("k\0", "v")]], pa.map_(pa.string(), pa.string())), "NUL"),
        ("attributes", pa.array([[], [("k", "v\0")]], pa.map_(pa.string(), pa.string())), "NUL"),
        ("attributes", pa.array([None, {"k": "v\0"}]), "NUL"),
    ],
)
def test_bad_parquet_values(tmp_path: Path, column: str, values: pa.Array, problem: str) -> None:
    ts = pa.array([1735689600, 1735689601], pa.int64())
    pq.write_table(pa.table({"ts": ts, column: values}), tmp_path / "bad.parquet")
    error = refusal(tmp_path / "bad.parquet")
    assert error.errors[-1].where == f"row 2, column {column}"
    assert problem in error.errors[-1].problem


def test_parquet_without_a_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"session": ["a"], "t": [0.0]}), tmp_path / "bad.parquet")
    error = refusal(tmp_path / "bad.parquet")
    assert error.errors[0].where == "schema, column model"


@pytest.mark.parametrize("kept", [4, 0.5, 0.99])
def test_truncated_parquet(tmp_path: Path, kept: float) -> None:
    whole = tmp_path / "whole.parquet"
    pq.write_table(pa.table({"ts": range(1735689600, 1735699600)}), whole)
    content = whole.read_bytes()
    path = tmp_path / "cut.parquet"
    path.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    error = refusal(path)
    assert "cut short" in error.errors[0].problem


def test_parquet_broken_inside(tmp_path: Path) -> None:
    path = tmp_path / "broken.parquet"
    pq.write_table(pa.table({"ts": range(1735689600, 1735699600)}), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[20:2000] = bytes(1980)
    path.write_bytes(bytes(content))
    assert "broken" in refusal(path).errors[0].problem


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "latin1.csv"
    path.write_bytes(b"ts,app\n1735689600,ok\n1735689601,caf\xe9\n")
    error = refusal(path)
    assert error.errors[0].where == "line 3, byte 15"
    assert "UTF-8" in error.errors[0].problem


@pytest.mark.parametrize("head", ["ts,app\n1735689600,", '{"ts": 1735689600, "app": "'])
def test_a_long_line_is_refused_without_reading_it(tmp_path: Path, head: str) -> None:
    path = tmp_path / "long"
    with path.open("wb") as file:
        file.write(head.encode())
        file.truncate(10_000_000_000)  # a sparse file: reading it all would not go unnoticed
    tracemalloc.start()
    error = refusal(path, max_line_bytes=1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "too long" in error.errors[0].problem
    assert error.errors[0].where == ("line 2" if "\n" in head else "line 1")
    assert peak < 40_000_000


def test_a_line_just_within_the_limit_is_read(tmp_path: Path) -> None:
    head = "1735689600,"
    path = text(tmp_path / "n.csv", "ts,app", head + "x" * (999 - len(head)), "1735689601,y")
    rows = [piece.batch for piece in Trace(path, max_line_bytes=1000).pieces]
    assert sum(b.num_rows for b in rows) == 2
    assert "too long" in refusal(path, max_line_bytes=998).errors[0].problem


def test_an_open_quote_is_named_where_it_opens(tmp_path: Path) -> None:
    rows = [f"173568960{i},a" for i in range(5)]
    path = text(tmp_path / "n.csv", "ts,app", *rows, '1735689606,"open', *(["1735689607,b"] * 500))
    error = refusal(path, max_line_bytes=2000)
    assert "quote is not closed" in error.errors[0].problem


def test_problems_are_counted_beyond_those_shown(tmp_path: Path) -> None:
    rows = [f"2023-11-16 18:15:47,{-i},4" for i in range(1, 51)]
    error = refusal(text(tmp_path / "bad.csv", _AZURE, _GOOD, *rows))
    assert len(error.errors) == SHOWN
    assert "50 problems" in error.detail
    assert error.errors[-1].where == "line 22, column ContextTokens"


def test_a_hopeless_file_is_given_up(tmp_path: Path) -> None:
    path = text(tmp_path / "bad.csv", _AZURE, *(["x,y,z"] * GIVE_UP_AFTER))
    assert f"{GIVE_UP_AFTER:,} problems or more" in refusal(path).detail


def test_a_late_problem_is_found_after_good_batches_were_handed_out(tmp_path: Path) -> None:
    rows = [f"{1735689600 + i},a" for i in range(120_000)]
    path = text(tmp_path / "n.csv", "ts,app", *rows, "never,b")
    handed, trace = 0, Trace(path)
    with pytest.raises(InvalidEvents) as caught:  # noqa: PT012
        for piece in trace.pieces:
            handed += piece.batch.num_rows
    assert caught.value.errors[0].where == "line 120002, column ts"
    assert handed <= 120_000


def test_an_unknown_format_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        Trace(text(tmp_path / "n.csv", "ts", "1735689600"), format="parkay")
    assert "netra-csv" in caught.value.errors[0].expected


def test_a_named_format_of_another_container(tmp_path: Path) -> None:
    error = refusal(text(tmp_path / "n.csv", "ts", "1735689600"), format="mooncake")
    assert "jsonl" in error.errors[0].problem


def test_a_named_format_says_what_is_missing(tmp_path: Path) -> None:
    error = refusal(text(tmp_path / "n.csv", "ts", "1735689600"), format="azure")
    assert "TIMESTAMP, ContextTokens, GeneratedTokens" in error.errors[0].problem


@pytest.mark.parametrize(
    ("part", "whole"),
    [("cached_input_tokens", "input_tokens"), ("reasoning_tokens", "output_tokens")],
)
def test_a_part_is_not_more_than_the_whole(tmp_path: Path, part: str, whole: str) -> None:
    path = tmp_path / "parts.csv"
    path.write_text(f"event_id,ts,{whole},{part}\na,2026-01-01T00:00:00Z,10,10\n"
                    f"b,2026-01-01T00:00:00Z,10,11\n")  # fmt: skip
    with pytest.raises(InvalidEvents) as caught:
        list(Trace(path).pieces)
    (problem,) = caught.value.errors
    assert problem.where == f"line 3, column {part}"
    assert whole in problem.problem
