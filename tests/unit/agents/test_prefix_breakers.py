"""Prefix breakers that were planted are found, counted and priced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from netra.agents.base import QuietContext
from netra.catalog.agents import get
from netra.catalog.supply import SupplyCatalog
from netra.errors import InsufficientData, StageCancelled
from netra.ingest.generate import workload
from netra.ingest.planted import ReorderTruth, TimestampTruth
from netra.schemas.report import Section
from tests.shared_data import shared_data
from tests.unit.agents.traces import run_on_file
from tests.unit.agents.workloads import AS_OF, MONDAY_US, run_agent

#: All models of the generated workloads: 10 USD to write a million tokens, 1 to read them.
PRICED = SupplyCatalog(
    [
        {
            "kind": "model",
            "name": name,
            "effective_from": "2020-01-01",
            "content": {"input": 8, "output": 50, "cache_read": 1, "cache_write_5m": 10},
        }
        for name in (
            *("openai/gpt-4o", "openai/gpt-4o-mini"),
            *("anthropic/claude-sonnet-4-5", "anthropic/claude-haiku-4-5", "acme/m"),
        )
    ],
    as_of=AS_OF,
)


def events(prompts: list[list[int]], **columns: list[Any]) -> dict[str, list[Any]]:
    n = len(prompts)
    known: dict[str, list[Any]] = {
        "ts": [MONDAY_US + i * 60_000_000 for i in range(n)],
        "session_id": ["s"] * n,
        "provider": ["acme"] * n,
        "model": ["m"] * n,
        "feature": ["chat"] * n,
        "input_tokens": [64 * len(p) + 10 for p in prompts],
        "prefix_hashes": prompts,
        "block_tokens": [64] * n,
        "attributes": [[]] * n,
    }
    return known | columns


def breakers(told: dict[str, list[Any]], **params: Any) -> dict[str, Any]:
    supply = params.pop("supply", PRICED)
    return dict(run_agent("prefix-breakers", told, params=params, supply=supply).content)


def kinds(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["kind"]: one for one in content["breakers"]}


OLD = list(range(1, 21))


def test_a_change_in_place_by_hand() -> None:
    new = [1, 2, 99, *OLD[3:], 30, 31]
    content = breakers(events([OLD, new]))
    found = kinds(content)["changed"]
    # The 17 blocks behind the changed one; 10 USD to write a million tokens and 1 to read them.
    assert (found["requests"], found["cached_then"], found["lost_tokens"]) == (1, 1, 17 * 64)
    assert found["lost_usd"] == pytest.approx(17 * 64 * 9 / 1e6)
    assert (found["median_position_blocks"], found["median_changed_blocks"]) == (2, 1)
    assert (content["compared"], content["grown"], content["chained_hashes"]) == (1, 0, False)
    section = msgspec.convert(content["section"], Section)
    assert "changed in place (1 block)" in section.says
    assert section.charts[0].kind == "bar"


def test_what_the_cache_had_forgotten_anyway_is_not_lost() -> None:
    told = events([OLD, [1, 99, *OLD[2:]]], ts=[MONDAY_US, MONDAY_US + 301_000_000])
    found = kinds(breakers(told))["changed"]
    assert (found["requests"], found["cached_then"], found["lost_tokens"]) == (1, 0, 0)
    hour = kinds(breakers(told, ttl="1h"))["changed"]
    assert (hour["cached_then"], hour["lost_tokens"]) == (1, 18 * 64)


def test_without_a_price_there_are_tokens_and_no_money() -> None:
    told = events([OLD, [1, 99, *OLD[2:]]], model=["nobody"] * 2)
    content = breakers(told)
    found = kinds(content)["changed"]
    assert (found["lost_tokens"], found["lost_usd"]) == (18 * 64, None)
    figure = content["figures"]["changed_usd"]
    assert figure["status"] == "insufficient_data"
    assert "acme/nobody" in figure["needs"][0]
    assert content["section"]["charts"][0]["y_label"] == "Lost (tokens)"


def test_hashes_that_cover_their_prefix_give_a_bound_and_say_what_is_missing() -> None:
    new = [1, 2, *range(50, 68)]
    content = breakers(events([OLD, new]))
    assert content["chained_hashes"]
    found = kinds(content)["rewritten"]
    assert (found["lost_tokens"], found["at_most_tokens"]) == (None, 18 * 64)
    assert found["at_most_usd"] == pytest.approx(18 * 64 * 9 / 1e6)
    assert "do not depend" in content["needs"][0]
    assert content["figures"]["again"]["status"] == "insufficient_data"
    assert "cannot be said" in content["section"]["says"]


def test_prompts_that_only_grow_break_nothing() -> None:
    content = breakers(events([OLD[:5], OLD[:9], OLD]))
    assert (content["compared"], content["grown"], content["breakers"]) == (2, 2, [])
    assert content["section"]["says"].startswith("No prompt breaks")


def test_nothing_to_compare_says_what_is_missing() -> None:
    with pytest.raises(InsufficientData) as refused:
        breakers(events([[], []]))
    assert refused.value.needs == ["prefix_hashes"]
    with pytest.raises(InsufficientData) as refused:
        breakers(events([[1, 2], [1, 3]], session_id=[None, None]))
    assert refused.value.needs[0].startswith("session_id")
    with pytest.raises(StageCancelled):
        run_agent("prefix-breakers", events([OLD]), context=QuietContext(stop=True))


def test_only_top_level_requests_when_asked_for() -> None:
    told = events([OLD, [99, *OLD[1:]], OLD])
    told["attributes"] = [[("subagent", s)] for s in ("false", "true", "false")]
    content = breakers(told, top_level_only=True)
    assert (content["requests"], content["grown"]) == (2, 1)
    figures = content["figures"].values()
    assert all(f["source"]["filter"] == {"attributes.subagent": "false"} for f in figures)


def generated(rows: int, **planted: Any) -> dict[str, list[Any]]:
    _, batches = workload(rows, 5, **planted)
    whole = pa.Table.from_batches(list(batches)).combine_chunks()
    names = [c for c in get("prefix-breakers").columns if c != "attributes"]
    return {n: whole[n].to_pylist() for n in names} | {"attributes": [[]] * rows}


def pairs(told: dict[str, list[Any]]) -> Iterator[tuple[int, int]]:
    """Each request of a session with the one before it; all of a session are on one model."""
    last: dict[str, int] = {}
    for i, session in enumerate(told["session_id"]):
        if session in last:
            yield last[session], i
        last[session] = i


def test_a_planted_timestamp_is_counted_and_priced_to_the_token() -> None:
    told = generated(4_000, timestamp=TimestampTruth(block=1, probability=1.0))
    content = breakers(told, across_sessions=False)
    count = tokens = 0
    for old, new in pairs(told):
        before, after = (told["prefix_hashes"][i] for i in (old, new))
        # Of features whose system prompt has the block, all that follows it comes again.
        if told["feature"][new] != "summarize" and len(before) > 2:
            count += 1
            alive = (told["ts"][new] - told["ts"][old]).total_seconds() <= 300
            tokens += (len(before) - 2) * 512 * alive
            assert before[1] != after[1]
            assert before[2:] == after[2 : len(before)]
    found = kinds(content)
    assert set(found) == {"changed"}
    assert (found["changed"]["requests"], found["changed"]["lost_tokens"]) == (count, tokens)
    assert found["changed"]["lost_usd"] == pytest.approx(tokens * 9 / 1e6)
    assert count > 800
    figure = content["figures"]["changed_usd"]
    low, high = figure["interval"]
    assert low < figure["value"] < high


@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_how_often_a_planted_list_of_tools_is_reordered_is_found(probability: float) -> None:
    planted = ReorderTruth(first=3, stop=8, probability=probability)
    told = generated(6_000, reordered=planted)
    content = breakers(told, across_sessions=False)
    found = kinds(content)
    assert set(found) <= {"reordered"}
    reviews = [p for p in pairs(told) if told["feature"][p[1]] == "code-review"]
    spread = np.sqrt(len(reviews) * probability * (1 - probability))
    assert abs(found["reordered"]["requests"] - len(reviews) * probability) < 4 * spread
    assert found["reordered"]["median_position_blocks"] == 3
    assert found["reordered"]["median_changed_blocks"] == 5
    (features,) = (t for t in content["section"]["tables"] if t["id"].endswith("features"))
    assert [row[0] for row in features["rows"]] == ["code-review"]


def test_what_breaks_prefixes_changes_nothing_else_of_a_generated_workload() -> None:
    plain, broken = generated(500), generated(500, timestamp=TimestampTruth(block=0, probability=1))
    assert plain.pop("prefix_hashes") != broken.pop("prefix_hashes")
    assert plain == broken


def test_an_unbroken_workload_loses_nothing() -> None:
    content = breakers(generated(3_000))
    assert content["breakers"] == []
    assert not content["chained_hashes"] or content["grown"] == content["compared"]


def test_timestamps_are_found_across_sessions_of_one_request() -> None:
    prompts = [[90 + s, 1, 2, 3, 4, 5, *range(100 * s, 100 * s + 20)] for s in range(2, 8)]
    told = events(prompts, session_id=[f"s{i}" for i in range(6)])
    found = kinds(breakers(told))["changed"]
    assert (found["requests"], found["lost_tokens"]) == (5, 5 * 5 * 64)
    with pytest.raises(InsufficientData):
        breakers(told, across_sessions=False)


def test_the_coding_agents_hashes_cover_their_prefix() -> None:
    path = shared_data("coding-agent-sessions.parquet")
    content = run_on_file(
        "prefix-breakers", path, SupplyCatalog(as_of=AS_OF), top_level_only=True
    ).content
    assert content["chained_hashes"]
    assert content["compared"] == 28_276
    assert content["grown"] / content["compared"] > 0.95
    assert set(kinds(dict(content))) == {"rewritten", "shortened", "unrelated"}
    assert len(msgspec.json.encode(content)) < 64_000
