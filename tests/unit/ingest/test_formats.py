"""Each format, read from a small file and from the real one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from netra.errors import InvalidEvents, InvalidInput
from netra.ingest.trace import Trace
from tests.shared_data import shared_data
from tests.unit.ingest.traces import read_rows, read_table, refusal, text

_1970 = datetime(1970, 1, 1, tzinfo=UTC)


def test_azure(tmp_path: Path) -> None:
    path = text(
        tmp_path / "a.csv",
        "TIMESTAMP,ContextTokens,GeneratedTokens",
        "2023-11-16 18:15:46.6805900,374,44",
        "2023-11-16 18:15:50.9951699,396,109",
    )
    rows = read_rows(path)
    assert Trace(path).info.format == "azure-2023"
    assert Trace(path).info.anchored
    assert [r["ts"] for r in rows] == [
        datetime(2023, 11, 16, 18, 15, 46, 680590, UTC),
        datetime(2023, 11, 16, 18, 15, 50, 995169, UTC),
    ]
    assert [(r["input_tokens"], r["output_tokens"]) for r in rows] == [(374, 44), (396, 109)]
    assert [r["row"] for r in rows] == [0, 1]
    assert all(set(r) == {"event_id", "ts", "input_tokens", "output_tokens", "row"} for r in rows)


def _mooncake(path: Path) -> Path:
    return text(
        path,
        '{"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [0, 1]}',
        '{"timestamp": 1500.5, "input_length": 512, "output_length": 0, "hash_ids": [0]}',
        "",
        '{"timestamp": 1500.5, "input_length": 0, "output_length": 1, "hash_ids": []}',
    )


def test_mooncake(tmp_path: Path) -> None:
    path = _mooncake(tmp_path / "m.jsonl")
    rows = read_rows(path)
    assert Trace(path).info.format == "mooncake"
    assert not Trace(path).info.anchored
    assert [r["ts"] - _1970 for r in rows] == [
        timedelta(0),
        timedelta(milliseconds=1500.5),
        timedelta(milliseconds=1500.5),
    ]
    assert [r.get("prefix_hashes", []) for r in rows] == [[0, 1], [0], []]
    assert {r["block_tokens"] for r in rows} == {512}
    assert [r["output_tokens"] for r in rows] == [5, 0, 1]


def test_a_start_anchors_a_relative_trace(tmp_path: Path) -> None:
    path = _mooncake(tmp_path / "m.jsonl")
    start = datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert Trace(path, start=start).info.anchored
    assert read_rows(path, start=start)[1]["ts"] == start + timedelta(milliseconds=1500.5)


def test_a_start_for_a_calendar_trace_is_refused(tmp_path: Path) -> None:
    path = text(
        tmp_path / "a.csv",
        "TIMESTAMP,ContextTokens,GeneratedTokens",
        "2023-11-16 18:15:46.6805900,374,44",
    )
    with pytest.raises(InvalidInput, match="calendar times"):
        Trace(path, start=datetime(2024, 1, 1, tzinfo=UTC))


def test_a_trace_of_another_maker_is_not_taken_for_mooncake(tmp_path: Path) -> None:
    line = '{"timestamp": 1, "input_length": 600, "output_length": 5, "hash_ids": [1, 2, 3, 4, 5]}'
    error = refusal(text(tmp_path / "q.jsonl", line))
    assert error.errors[0].where == "line 1, column hash_ids"
    assert "512-token blocks" in error.errors[0].problem


def _sessions(path: Path) -> Path:
    table = pa.table(
        {
            "session": ["a", "a", "b"],
            "t": [0.0, 19.25, 0.0],
            "model": ["claude-opus-4-6", "claude-opus-4-6", "llama-4"],
            "type": ["n", "s", "n"],
            "input_tokens": pa.array([130, 200, 64], pa.int64()),
            "output_tokens": pa.array([10, 20, 30], pa.int64()),
            "ttft_s": pa.array([None, 0.5, None], pa.float32()),
            "api_time_s": pa.array([7.5, None, 1.0], pa.float32()),
            "think_time_s": pa.array([0.0, None, 2.5], pa.float32()),
            "subagent": [False, True, False],
            "hash_ids": pa.array([[1, 2], [1, 2, 3], [1]], pa.list_(pa.int32())),
        }
    )
    pq.write_table(table, path)
    return path


def test_coding_agent(tmp_path: Path) -> None:
    path = _sessions(tmp_path / "c.parquet")
    rows = read_rows(path)
    assert Trace(path).info.format == "coding-agent"
    assert not Trace(path).info.anchored
    assert [r["ts"] - _1970 for r in rows] == [timedelta(0), timedelta(seconds=19.25), timedelta(0)]
    assert [r["session_id"] for r in rows] == ["a", "a", "b"]
    assert [r.get("provider") for r in rows] == ["anthropic", "anthropic", None]
    assert [r.get("latency_ms") for r in rows] == [7500.0, None, 1000.0]
    assert [r.get("ttft_ms") for r in rows] == [None, 500.0, None]
    assert rows[0]["attributes"] == {"type": "n", "think_time_s": "0", "subagent": "false"}
    assert rows[1]["attributes"] == {"type": "s", "subagent": "true"}
    assert {r["block_tokens"] for r in rows} == {64}


def test_block_ids_of_sessions_become_global(tmp_path: Path) -> None:
    first, second, other = (
        r["prefix_hashes"] for r in read_rows(_sessions(tmp_path / "c.parquet"))
    )
    assert second[:2] == first  # the same blocks of the same session
    assert len({*second, *other}) == 4  # block 1 of another session is another block
    assert second[2] == (second[0] + 2) % 2**64


def test_vllm_run(tmp_path: Path) -> None:
    line = {
        "request_id": "bench-0",
        "input_toks": 2358,
        "output_toks": 531,
        "arrival_time": 1787267980.0827403,
        "queued_ts": 100.0,
        "scheduled_ts": 100.5,
        "first_token_ts": 101.0,
        "last_token_ts": 112.25,
    }
    path = text(tmp_path / "v.jsonl", json.dumps(line))
    (row,) = read_rows(path)
    assert Trace(path).info.format == "vllm-run"
    assert (row["queued_ms"], row["ttft_ms"], row["latency_ms"]) == (500.0, 1000.0, 12250.0)
    assert row["ts"] == datetime(2026, 8, 20, 23, 19, 40, 82740, UTC)
    assert row["attributes"] == {"request_id": "bench-0", "queued_ts": "100"}


def test_vllm_run_with_times_out_of_order(tmp_path: Path) -> None:
    times = '"queued_ts": 5, "scheduled_ts": 4, "first_token_ts": 6, "last_token_ts": 7'
    line = f'{{"input_toks": 1, "output_toks": 1, "arrival_time": 1787267980.5, {times}}}'
    error = refusal(text(tmp_path / "v.jsonl", line))
    assert error.errors[0].where == "line 1, column scheduled_ts"


def test_vllm_run_read_leniently_has_unknown_times_in_place_of_impossible_ones(
    tmp_path: Path,
) -> None:
    known = {"input_toks": 1, "output_toks": 1, "arrival_time": 1787267980.5}
    lines = [
        {"queued_ts": 5, "scheduled_ts": 4, "first_token_ts": 6, "last_token_ts": 7},
        {"queued_ts": -5.5, "scheduled_ts": None, "first_token_ts": -5, "last_token_ts": "no"},
        {"queued_ts": None, "scheduled_ts": 1, "first_token_ts": 2, "last_token_ts": 3},
    ]
    path = text(tmp_path / "v.jsonl", *(json.dumps(known | line) for line in lines))
    (batch,) = [piece.batch for piece in Trace(path, lenient=True).pieces]
    assert batch["queued_ms"].to_pylist() == [None, None, None]
    assert batch["ttft_ms"].to_pylist() == [1000.0, 500.0, None]
    assert batch["latency_ms"].to_pylist() == [2000.0, None, None]
    # What a fit cannot do without is still asked for.
    broken = text(tmp_path / "b.jsonl", json.dumps(known | lines[0] | {"input_toks": None}))
    with pytest.raises(InvalidEvents, match="1 problem"):
        list(Trace(broken, lenient=True).pieces)


def test_vllm_run_without_the_time_of_scheduling(tmp_path: Path) -> None:
    times = '"queued_ts": 5, "first_token_ts": 6, "last_token_ts": 7'
    line = f'{{"input_toks": 1, "output_toks": 1, "arrival_time": 1787267980.5, {times}}}'
    path = text(tmp_path / "v.jsonl", line)
    (row,) = read_rows(path)
    assert (row["ttft_ms"], row["latency_ms"]) == (1000.0, 2000.0)
    assert "queued_ms" not in row


def test_netra_csv(tmp_path: Path) -> None:
    path = text(
        tmp_path / "n.csv",
        "ts,model,input_tokens,output_tokens,latency_ms,prefix_hashes,attributes,team",
        '2025-01-31T12:00:00.5Z,gpt-4o,10,2,3.5,"[18446744073709551615, 7]","{""a"": 1}",search',
        '1738324801,"",10.0,,,[],,',
        "2025-01-31T13:00:02+01:00,,,,,,,",
    )
    first, second, third = read_rows(path)
    assert first["prefix_hashes"] == [2**64 - 1, 7]
    assert first["attributes"] == {"a": "1", "team": "search"}
    assert first["ts"] == datetime(2025, 1, 31, 12, 0, 0, 500000, UTC)
    assert second["ts"] == datetime(2025, 1, 31, 12, 0, 1, tzinfo=UTC)
    assert second["model"] == ""  # quoted: empty, not unknown
    assert second["input_tokens"] == 10
    assert third["ts"] == datetime(2025, 1, 31, 12, 0, 2, tzinfo=UTC)
    assert set(third) == {"event_id", "ts", "row"}


def test_netra_csv_with_line_feeds_in_values(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_bytes(b'\xef\xbb\xbfts,app\r\n2025-01-01T00:00:00Z,"a\nb"\r\n\r\n1735689601,c\r\n')
    assert [r["app"] for r in read_rows(path)] == ["a\nb", "c"]


def test_netra_jsonl_keeps_large_hashes_and_unknown_fields(tmp_path: Path) -> None:
    path = text(
        tmp_path / "n.jsonl",
        '{"ts": "2025-01-31T12:00:00Z", "prefix_hashes": [18446744073709551615], "n": 1, "x": 0.5}',
        '{"ts": 1738324801000, "prompt_hash": 18446744073709551614, "when": "2025-01-01T00:00Z"}',
        '{"ts": 1738324802.25, "attributes": {"k": true, "none": null}, "deep": {"a": [1, 2]}}',
    )
    first, second, third = read_rows(path)
    assert first["prefix_hashes"] == [2**64 - 1]
    assert first["attributes"] == {"n": "1", "x": "0.5"}
    assert second["prompt_hash"] == 2**64 - 2
    assert second["attributes"] == {"when": "2025-01-01T00:00Z"}
    assert second["ts"] == datetime(2025, 1, 31, 12, 0, 1, tzinfo=UTC)
    assert third["ts"] == datetime(2025, 1, 31, 12, 0, 2, 250000, UTC)
    assert third["attributes"] == {"k": "true", "deep": '{"a":[1,2]}'}


def test_times_in_an_unknown_column_stay_the_text_that_they_are(tmp_path: Path) -> None:
    lines = [f'{{"ts": {1738324800 + i}, "when": "2025-01-0{i}T00:00:00Z"}}' for i in (1, 2)]
    rows = read_rows(text(tmp_path / "n.jsonl", *lines))
    assert [r["attributes"]["when"] for r in rows] == [f"2025-01-0{i}T00:00:00Z" for i in (1, 2)]


def test_netra_parquet_takes_naive_times_as_utc_and_dictionaries_as_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "ts": pa.array([datetime(2025, 1, 1), datetime(2025, 1, 2)], pa.timestamp("ns")),  # noqa: DTZ001
            "model": pa.array(["m", None]).dictionary_encode(),
            "input_tokens": pa.array([1.0, None]),
            "tenant_id": ["someone", "else"],
        }
    )
    pq.write_table(table, tmp_path / "n.parquet")
    first, second = read_rows(tmp_path / "n.parquet")
    assert first["ts"] == datetime(2025, 1, 1, tzinfo=UTC)
    assert (first["model"], first["input_tokens"]) == ("m", 1)
    assert set(second) == {"event_id", "ts", "row"}


def test_netra_times_in_1970_count_from_an_unknown_start(tmp_path: Path) -> None:
    path = text(tmp_path / "n.csv", "ts,app", "0,a", "1.5,b")
    start = datetime(2025, 1, 1, tzinfo=UTC)
    assert not Trace(path).info.anchored
    assert Trace(path, start=start).info.anchored
    assert read_rows(path, start=start)[1]["ts"] == start + timedelta(seconds=1.5)


def test_events_keep_given_ids_and_count_rows_from_where_told(tmp_path: Path) -> None:
    path = text(tmp_path / "n.csv", "ts,event_id", "1738324800,x", "1738324801,y")
    rows = read_rows(path, first_row=7)
    assert [(r["event_id"], r["row"]) for r in rows] == [("x", 7), ("y", 8)]


@pytest.mark.parametrize("name", ["azure-2023", "azure", "AZURE_2023"])
def test_a_format_may_be_named(tmp_path: Path, name: str) -> None:
    path = text(
        tmp_path / "a.txt",
        "TIMESTAMP,ContextTokens,GeneratedTokens",
        "2023-11-16 18:15:46.6805900,374,44",
    )
    assert Trace(path, format=name).info.format == "azure-2023"


def test_real_azure() -> None:
    table = read_table(shared_data("azure-2023-conversation.csv"))
    assert table.num_rows == 19_366
    assert table["ts"][0].as_py() == datetime(2023, 11, 16, 18, 15, 46, 680590, UTC)
    assert len(pc.unique(table["event_id"])) == 19_366


def test_real_mooncake() -> None:
    table = read_table(shared_data("mooncake-conversation.jsonl"))
    hashes = pc.list_flatten(table["prefix_hashes"])
    assert (table.num_rows, len(hashes), len(pc.unique(hashes))) == (12_031, 288_500, 182_790)


def test_real_coding_agent() -> None:
    path = shared_data("coding-agent-sessions.parquet")
    raw = pq.read_table(path)
    trace = Trace(path)
    rows, hashes, sessions = 0, 0, set[str]()
    for piece in trace.pieces:
        part = raw.slice(rows, piece.batch.num_rows)
        lengths = pc.list_value_length(piece.batch["prefix_hashes"])
        assert lengths.equals(pc.list_value_length(part["hash_ids"].combine_chunks()))
        rows += piece.batch.num_rows
        hashes += int(np.sum(lengths.to_numpy()))
        sessions |= set(piece.batch["session_id"].to_pylist())
    assert (rows, hashes, len(sessions)) == (28_944, 55_893_274, 408)


def test_real_vllm_run() -> None:
    table = read_table(shared_data("vllm-runs/rtx4090-llama-3.1-8b.jsonl"))
    assert table.num_rows == 300
    assert table["latency_ms"].null_count == 0
