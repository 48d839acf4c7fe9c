"""Every eviction policy against its obvious twin, against each other, and the known answers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.analysis.block_ids import BlockIds
from netra.analysis.compiled import Int32s
from netra.analysis.eviction.belady import belady_hits, next_uses
from netra.analysis.eviction.replay import REPLAYS, hits_at, replay_of
from netra.analysis.lru_curve import lru_curve
from tests.shared_data import shared_data
from tests.unit.analysis.eviction.obvious import OBVIOUS, best_of_all

POLICIES = tuple(REPLAYS)
#: Single blocks, and prompts that begin alike.
TRACES = st.lists(st.integers(0, 25), max_size=150) | st.lists(
    st.tuples(st.integers(0, 15), st.integers(1, 12)).map(lambda p: list(range(p[0], sum(p)))),
    max_size=25,
).map(lambda prompts: [block for prompt in prompts for block in prompt])


def encoded(blocks: list[int]) -> tuple[Int32s, int]:
    encoder = BlockIds()
    return encoder.encode(np.array(blocks, np.uint64)), len(encoder)


# The first example of a test loads or compiles the kernels, hence no deadlines.
@pytest.mark.parametrize("policy", POLICIES)
@settings(deadline=None)
@given(blocks=TRACES)
def test_every_capacity_hits_as_often_as_the_obvious_way(policy: str, blocks: list[int]) -> None:
    ids, distinct = encoded(blocks)
    capacities = [*range(distinct + 1), distinct + 5]
    expected = [OBVIOUS[policy](blocks, c) for c in capacities]
    assert hits_at(policy, ids, distinct, capacities).tolist() == expected


@pytest.mark.parametrize("policy", POLICIES)
def test_long_traces_hit_as_often_as_the_obvious_way(policy: str) -> None:
    rng = np.random.default_rng(5)
    blocks = (rng.zipf(1.3, 2_500) % 300).tolist()
    ids, distinct = encoded(blocks)
    for capacity in (1, 9, 10, 11, 57, 120):
        expected = OBVIOUS[policy](blocks, capacity)
        assert hits_at(policy, ids, distinct, [capacity]) == expected, capacity
        # The same through the policy itself, without the short cut for caches that hold all.
        if policy != "belady":
            assert REPLAYS[policy](ids, distinct, distinct) == len(ids) - distinct


@settings(deadline=None)
@given(blocks=TRACES)
def test_no_policy_hits_more_often_than_belady_and_all_are_equal_without_a_limit(
    blocks: list[int],
) -> None:
    ids, distinct = encoded(blocks)
    curve = lru_curve(np.array(blocks, np.uint64))
    bound = hits_at("belady", ids, distinct, range(distinct + 1))
    assert (curve.hits <= bound).all()
    assert (np.diff(bound) >= 0).all()
    for policy in POLICIES:
        hits = hits_at(policy, ids, distinct, range(distinct + 1))
        assert (hits <= bound).all(), policy
        assert hits[-1] == curve.hits[-1] == len(blocks) - distinct


@settings(deadline=None, max_examples=60)
@given(blocks=st.lists(st.integers(0, 6), max_size=14), capacity=st.integers(1, 4))
def test_belady_is_the_best_of_all_ways_to_evict(blocks: list[int], capacity: int) -> None:
    ids, distinct = encoded(blocks)
    assert belady_hits(ids, distinct, capacity) == best_of_all(blocks, capacity)


def test_next_uses() -> None:
    ids = np.array([0, 1, 0, 2, 1], np.int32)
    assert next_uses(ids, 3).tolist() == [2, 4, 5, 5, 5]


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="'arc', not one of lfu, sieve, s3fifo, belady"):
        replay_of("arc", np.empty(0, np.int32), 0)


def test_sieve_by_hand() -> None:
    # 0 is used twice; 3 evicts 1 and the hand stays before 2; 4 evicts 2; 0 is still there.
    ids = np.array([0, 1, 2, 0, 3, 4, 0, 1], np.int32)
    assert hits_at("sieve", ids, 5, [3]).tolist() == [2]


def test_lfu_forgets_the_count_of_what_it_evicts_and_evicts_the_least_recent_of_equals() -> None:
    # 1 leaves for 2 (both once, 1 less recently than 0's second use), comes back with count 1.
    ids = np.array([0, 0, 1, 2, 1, 2, 0], np.int32)
    assert hits_at("lfu", ids, 3, [2]).tolist() == [2]


KNOWN = {
    "lfu": [0.0481, 0.1318, 0.2759, 0.3438, 0.3631, 0.3664],
    "sieve": [0.0481, 0.1318, 0.2759, 0.3438, 0.3631, 0.3664],
    "belady": [0.1906, 0.3664, 0.3664, 0.3664, 0.3664, 0.3664],
}


@pytest.mark.parametrize("policy", KNOWN)
def test_known_answers(policy: str) -> None:
    with shared_data("mooncake-conversation.jsonl").open() as file:
        blocks = [b for line in file for b in json.loads(line)["hash_ids"]]
    ids, distinct = encoded(blocks)
    capacities = (1_000, 10_000, 30_000, 50_000, 100_000, distinct)
    ratios = hits_at(policy, ids, distinct, capacities) / len(ids)
    assert ratios.round(4).tolist() == KNOWN[policy]
