"""The LRU curve against caches replayed one by one, and against the known answers."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.analysis.lru_curve import LruStack, lru_curve
from tests.shared_data import shared_data

Blocks = npt.NDArray[np.uint64]


def replayed_hits(blocks: Iterable[int], capacity: int) -> int:
    """The obvious way: a cache of one capacity."""
    cache: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for block in blocks:
        if block in cache:
            hits += 1
            cache.move_to_end(block)
        elif capacity:
            if len(cache) == capacity:
                cache.popitem(last=False)
            cache[block] = None
    return hits


def check(blocks: Blocks, capacities: Iterable[int] | None = None) -> None:
    curve = lru_curve(blocks)
    assert curve.references == len(blocks)
    assert curve.distinct == len(set(blocks.tolist()))
    assert len(curve.hits) == curve.distinct + 1
    for c in range(curve.distinct + 1) if capacities is None else capacities:
        assert curve.hits[c] == replayed_hits(blocks.tolist(), c), c


# The first example of a test loads or compiles the kernels, hence no deadlines.
@settings(deadline=None)
@given(st.lists(st.integers(0, 12) | st.integers(2**64 - 3, 2**64 - 1), max_size=120))
def test_every_capacity_hits_as_often_as_its_own_replay(blocks: list[int]) -> None:
    check(np.array(blocks, np.uint64))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 25)).map(lambda p: range(p[0], sum(p))),
        max_size=30,
    )
)
def test_prompts_with_common_beginnings_and_overlaps(prompts: list[range]) -> None:
    check(np.array([block for prompt in prompts for block in prompt], np.uint64))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_window_fills_and_grows_without_a_trace(seed: int) -> None:
    # 300,000 references of up to 60,000 blocks: the window of 131,072 positions fills and grows.
    rng = np.random.default_rng(seed)
    scattered = rng.integers(0, 60_000, 150_000, dtype=np.uint64)
    starts = rng.integers(0, 50_000, 1_500, dtype=np.uint64)
    runs = (starts[:, None] + np.arange(100, dtype=np.uint64)).ravel()
    check(np.concatenate([scattered, runs]), capacities=(99, 5_000, 50_000))


def test_parts_make_the_same_curve_as_the_whole() -> None:
    blocks = np.random.default_rng(3).integers(0, 900, 20_000, dtype=np.uint64)
    stack = LruStack()
    for part in np.split(blocks, [0, 1, 63, 64, 4_095, 4_097, 19_999]):
        stack.extend(part)
    assert stack.curve().hits.tolist() == lru_curve(blocks).hits.tolist()


def test_a_curve_may_be_asked_for_before_the_end() -> None:
    stack = LruStack()
    stack.extend(np.array([1, 2, 1], np.uint64))
    first = stack.curve()
    stack.extend(np.array([3, 2], np.uint64))
    assert first.hits.tolist() == [0, 0, 1]
    assert stack.curve().hits.tolist() == [0, 0, 1, 2]


def test_hit_ratios_are_read_at_any_capacity() -> None:
    curve = lru_curve(np.array([1, 2, 1, 1], np.uint64))
    assert [curve.hit_ratio(c) for c in (0, 1, 2, 3, float("inf"))] == [0, 0.25, 0.5, 0.5, 0.5]
    assert curve.at([0, 1, 2, 10**15]).tolist() == [0, 0.25, 0.5, 0.5]
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="a cache of"):
            curve.hit_ratio(wrong)


def test_no_references_make_an_empty_curve() -> None:
    curve = lru_curve(np.empty(0, np.uint64))
    assert (curve.references, curve.distinct, curve.hits.tolist()) == (0, 0, [0])
    assert curve.hit_ratio(10) == 0


def test_known_answers() -> None:
    with shared_data("mooncake-conversation.jsonl").open() as file:
        blocks = np.array([b for line in file for b in json.loads(line)["hash_ids"]], np.uint64)
    curve = lru_curve(blocks)
    assert (curve.references, curve.distinct) == (288_500, 182_790)
    capacities = (1_000, 10_000, 30_000, 50_000, 100_000, float("inf"))
    known = [0.0445, 0.2112, 0.3257, 0.3546, 0.3637, 0.3664]
    assert [round(curve.hit_ratio(c), 4) for c in capacities] == known
