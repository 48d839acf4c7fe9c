from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from netra.agents.base import QuietContext
from netra.catalog.agents import get
from netra.catalog.supply import SupplyCatalog
from netra.errors import InsufficientData, InvalidInput, NotFound, StageCancelled
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
        params={"capacities": [3, 2, 1, 10**12], "policies": "lru"},
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
    assert len(fractions) > 3
    assert fractions[-1] <= 1
    with pytest.raises(StageCancelled):
        run_agent("caching", events(PROMPTS, [16] * 5), context=QuietContext(stop=True))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"capacities": [0]}, "capacities"),
        ({"capacities": "many"}, "capacities"),
        ({"policies": ["lru", "arc"]}, "one of: lru, lfu, sieve, s3fifo, belady"),
        ({"policies": "fifo"}, "one of: lru"),
        ({"kv_number_bytes": 0}, "kv_number_bytes"),
        ({"points": 1}, "points"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        get("caching").parse_params(given)
    assert says in str(refused.value)


def test_every_policy_is_replayed_at_every_capacity_that_was_asked_for() -> None:
    params = {"capacities": [1, 2], "policies": ["lru", "lfu", "sieve", "s3fifo", "belady"]}
    content = run_agent("caching", events(PROMPTS, [16] * 5), params=params).content
    # The references are 1 2 3 1 2 2 4 5 5; by hand, two blocks: Belady keeps 1, then 2.
    assert {p: r["2"] for p, r in content["hit_ratio"].items()} == pytest.approx(
        {"lru": 2 / 9, "lfu": 2 / 9, "sieve": 2 / 9, "s3fifo": 2 / 9, "belady": 3 / 9}
    )
    assert {r["unlimited"] for r in content["hit_ratio"].values()} == {4 / 9}
    assert set(content["policy_curves"]["hit_ratio"]) == set(content["hit_ratio"])
    assert content["policy_curves"]["sample"]["share_of_blocks"] == 1
    assert content["figures"]["belady_2"]["label"].startswith("Hit ratio of the best possible")
    table = content["section"]["tables"][0]
    assert [row[:2] for row in table["rows"]] == [[1, 16], [2, 32]]


def test_capacities_are_also_told_in_gib_for_a_known_model() -> None:
    params = {"capacities": [2], "model": "meta-llama/Llama-3.1-8B-Instruct"}
    content = run_agent("caching", events(PROMPTS, [16] * 5), params=params).content
    # Keys and values, 32 layers, 8 heads of 128 numbers of 2 bytes: 128 KiB a token.
    gib = 2 * 16 * 131_072 / 2**30
    assert content["kv_memory"]["gib"] == {"2": pytest.approx(gib)}
    assert content["section"]["tables"][0]["rows"][0][:3] == [2, 32, pytest.approx(gib)]
    half = run_agent(
        "caching", events(PROMPTS, [16] * 5), params=params | {"kv_number_bytes": 1}
    ).content
    assert half["kv_memory"]["gib"] == {"2": pytest.approx(gib / 2)}


def test_an_unknown_model_is_refused_and_unlike_blocks_have_no_memory() -> None:
    with pytest.raises(NotFound, match="no specification of the model 'acme/nothing'"):
        run_agent("caching", events(PROMPTS, [16] * 5), params={"model": "acme/nothing"})
    content = run_agent(
        "caching", events(PROMPTS, [16, 16, None, 64, None]), params={"model": "Qwen/Qwen3-8B"}
    ).content
    assert content["kv_memory"]["status"] == "insufficient_data"
    assert "block_tokens" in content["kv_memory"]["needs"][0]


def test_a_long_trace_is_sampled_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netra.agents.caching._SAMPLE_REFERENCES", 24_000)
    rng = np.random.default_rng(1)
    prompts = [list(range(s, s + 40)) for s in rng.integers(0, 5_000, 2_000).tolist()]
    params = {"capacities": [1_000, 3_000]}
    content = run_agent("caching", events(prompts, [16] * 2_000), params=params).content
    assert content["sample"]["share_of_blocks"] == 1 / 4
    assert 0 < content["sample"]["largest_error_of_lru"] < 0.05
    lfu, lru = content["figures"]["lfu_1000"], content["figures"]["lru_1000"]
    assert "on 25.00% of the blocks" in lfu["method"]
    assert "exact" in lru["method"]
    monkeypatch.undo()
    exact = run_agent("caching", events(prompts, [16] * 2_000), params=params).content
    for policy, ratios in exact["hit_ratio"].items():
        assert content["hit_ratio"][policy] == pytest.approx(ratios, abs=0.03)
    assert exact["hit_ratio"]["lru"] == content["hit_ratio"]["lru"]


def test_known_answers() -> None:
    content = run_on_file(
        "caching", shared_data("mooncake-conversation.jsonl"), SupplyCatalog()
    ).content
    sizes = ("1000", "10000", "30000", "50000", "100000", "unlimited")
    known = {
        "lru": [0.0445, 0.2112, 0.3257, 0.3546, 0.3637, 0.3664],
        "lfu": [0.0481, 0.1318, 0.2759, 0.3438, 0.3631, 0.3664],
        "sieve": [0.0481, 0.1318, 0.2759, 0.3438, 0.3631, 0.3664],
        "belady": [0.1906, 0.3664, 0.3664, 0.3664, 0.3664, 0.3664],
    }
    found = {p: [round(content["hit_ratio"][p][s], 4) for s in sizes] for p in known}
    assert found == known
    assert (content["references"], content["distinct"]) == (288_500, 182_790)
    assert content["block_tokens"] == 512
    assert len(msgspec.json.encode(content)) < 64_000
