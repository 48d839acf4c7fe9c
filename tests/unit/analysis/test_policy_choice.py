"""Choosing policies: real differences are found, noise is not."""

from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.policy_choice import choose_by_group, choose_one
from netra.errors import InsufficientData


def test_the_lowest_total_wins_and_ties_go_to_the_first() -> None:
    assert choose_one(np.array([[3.0, 1.0, 2.0], [1.0, 2.0, 2.0]])) == 1
    assert choose_one(np.array([[1.0, 1.0]])) == 0
    assert choose_one(np.array([[3.0, 1.0, 2.0]]), allowed=[2, 0]) == 2


def test_nothing_to_choose() -> None:
    with pytest.raises(InsufficientData):
        choose_one(np.empty((0, 2)))
    with pytest.raises(ValueError, match="policy"):
        choose_one(np.ones((1, 2)), allowed=[])


def workload(seed: int, difference: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """40 sessions of 2 groups: group 1 is cheaper under policy 1 by `difference`, plus noise."""
    rng = np.random.default_rng(seed)
    blocks = np.repeat(np.arange(40, dtype=np.int32), 10)
    groups = (blocks % 2).astype(np.int32)
    costs = np.full((400, 2), 10.0) + rng.normal(0, 1, (400, 2))
    costs[groups == 0, 1] += 2.0
    costs[groups == 1, 1] -= difference
    return costs, groups, blocks


def test_a_group_that_differs_gets_its_own_policy() -> None:
    costs, groups, blocks = workload(0, 1.0)
    (choice,) = choose_by_group(costs, groups, blocks, 0, seed=0, min_gain=1.0)
    assert (choice.group, choice.policy, choice.accepted) == (1, 1, True)
    assert choice.low is not None
    assert 0 < choice.low <= choice.gain
    assert choice.gain == pytest.approx(200, rel=0.25)


def test_noise_rarely_gets_a_rule() -> None:
    accepted = 0
    for seed in range(40):
        costs, groups, blocks = workload(seed, 0.0)
        choices = choose_by_group(costs, groups, blocks, 0, seed=seed, min_gain=0.0)
        accepted += sum(c.accepted for c in choices)
    # The lower end of a 90 % interval: at most one in twenty, and choosing must be right first.
    assert accepted <= 4


def test_too_small_to_be_worth_it() -> None:
    costs, groups, blocks = workload(0, 1.0)
    (choice,) = choose_by_group(costs, groups, blocks, 0, seed=0, min_gain=1e6)
    assert not choice.accepted
    assert "small" in choice.reason


def test_too_few_blocks_to_judge() -> None:
    costs, groups, blocks = workload(0, 3.0)
    few = blocks < 8
    (choice,) = choose_by_group(costs[few], groups[few], blocks[few], 0, seed=0, min_gain=0.0)
    assert not choice.accepted
    assert choice.low is None
    assert "4 of at least 10" in choice.reason


def test_the_same_seed_judges_the_same() -> None:
    costs, groups, blocks = workload(3, 0.3)
    runs = [choose_by_group(costs, groups, blocks, 0, seed=5, min_gain=0.0) for _ in range(2)]
    assert runs[0] == runs[1]
