from __future__ import annotations

from typing import Any

import msgspec
import pytest

from netra.agents.base import QuietContext
from netra.catalog.agents import get
from netra.catalog.supply import SupplyCatalog
from netra.errors import InsufficientData, InvalidInput, StageCancelled
from tests.shared_data import shared_data
from tests.unit.agents.traces import run_on_file
from tests.unit.agents.workloads import run_agent


def events(prompts: list[list[int]], block_tokens: list[int | None]) -> dict[str, list[Any]]:
    return {
        "ts": list(range(len(prompts))),
        "prefix_hashes": prompts,
        "block_tokens": block_tokens,
    }


#: Nine references to five blocks; by hand, caches of one and two blocks hit 2, larger ones 4.
PROMPTS = [[1, 2, 3], [1, 2], [], [2, 4, 5], [5]]


@pytest.mark.parametrize("batch_rows", [1, 2, 100])
def test_the_curve_is_that_of_the_blocks_in_order(batch_rows: int) -> None:
    content = run_agent(
        "caching",
        events(PROMPTS, [16] * 5),
        params={"capacities": [3, 2, 1, 10**12]},
        batch_rows=batch_rows,
    ).content
    expected = {"1": 2 / 9, "2": 2 / 9, "3": 4 / 9, str(10**12): 4 / 9, "unlimited": 4 / 9}
    assert content["hit_ratio"] == {"lru": pytest.approx(expected)}
    assert (content["references"], content["distinct"]) == (9, 5)
    assert (content["requests"], content["requests_with_blocks"]) == (5, 4)
    assert content["block_tokens"] == 16
    assert content["curve"]["capacity_blocks"] == [1, 2, 3, 4, 5]
    curve = [2 / 9, 2 / 9, 4 / 9, 4 / 9, 4 / 9]
    assert content["curve"]["hit_ratio"]["lru"] == pytest.approx(curve)


def test_every_figure_says_what_it_rests_on() -> None:
    content = run_agent("caching", events(PROMPTS, [16] * 5), params={"capacities": 2}).content
    figure = content["figures"]["lru_2"]
    assert figure["value"] == content["hit_ratio"]["lru"]["2"]
    assert (figure["n"], figure["unit"]) == (9, "share of block references")
    assert figure["source"]["workload_id"] == "workload"
    assert figure["source"]["columns"] == ("ts", "prefix_hashes")
    assert "Mattson" in figure["method"]
    (chart,) = content["charts"]
    assert chart["series"][0]["y"] == content["curve"]["hit_ratio"]["lru"]


def test_blocks_of_several_sizes_are_counted_apart() -> None:
    content = run_agent("caching", events(PROMPTS, [16, 16, None, 64, None])).content
    assert content["block_tokens"] is None
    assert content["block_tokens_seen"] == [
        {"block_tokens": 16, "requests": 2},
        {"block_tokens": 64, "requests": 1},
        {"block_tokens": None, "requests": 1},
    ]


def test_a_workload_without_hashes_says_what_it_lacks() -> None:
    with pytest.raises(InsufficientData) as refused:
        run_agent("caching", events([[], []], [None, None]))
    assert refused.value.needs == ["prefix_hashes"]


def test_it_stops_when_asked_to_and_says_how_far_it_is() -> None:
    context = QuietContext()
    run_agent("caching", events(PROMPTS, [16] * 5), batch_rows=2, context=context)
    fractions = [fraction for fraction, _ in context.ticks]
    assert fractions == sorted(fractions)
    assert len(fractions) == 3
    with pytest.raises(StageCancelled):
        run_agent("caching", events(PROMPTS, [16] * 5), context=QuietContext(stop=True))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"capacities": [0]}, "capacities"),
        ({"capacities": "many"}, "capacities"),
        ({"policies": ["lru", "lfu"]}, "one of: lru"),
        ({"policies": "sieve"}, "one of: lru"),
        ({"points": 1}, "points"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        get("caching").parse_params(given)
    assert says in str(refused.value)


def test_known_answers() -> None:
    content = run_on_file(
        "caching", shared_data("mooncake-conversation.jsonl"), SupplyCatalog()
    ).content
    known = {
        "1000": 0.0445,
        "10000": 0.2112,
        "30000": 0.3257,
        "50000": 0.3546,
        "100000": 0.3637,
        "unlimited": 0.3664,
    }
    assert {k: round(v, 4) for k, v in content["hit_ratio"]["lru"].items()} == known
    assert (content["references"], content["distinct"]) == (288_500, 182_790)
    assert content["block_tokens"] == 512
    assert len(msgspec.json.encode(content)) < 64_000
