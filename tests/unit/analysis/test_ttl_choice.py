from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.ttl_choice import TtlChoice, choose_ttl, excess_over_best_fixed, half_splits
from netra.errors import InsufficientData


def traffic(seed: int, effect: float) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """100 sessions of 5 requests; policy 1 is cheaper by 1, but for group 1 dearer by `effect`."""
    rng = np.random.default_rng(seed)
    sessions = np.repeat(np.arange(100, dtype=np.int32), 5)
    groups = (sessions % 2).astype(np.int32)
    base = 10 + rng.random(500)
    gain = np.where(groups == 1, -effect, 1.0) + rng.normal(0, 0.5, 500)
    return np.stack([base, base - gain], axis=1), sessions, [np.zeros(500, np.int32), groups]


def test_a_group_for_which_another_lifetime_pays_gets_it() -> None:
    costs, sessions, columns = traffic(1, 0.9)
    choice = choose_ttl(costs, sessions, columns, seed=0, min_gain_share=0.01)
    assert (choice.overall, choice.column, choice.exceptions) == (1, 1, {1: 0})
    charged = choice.charged(costs, columns)
    assert charged.tolist() == np.where(columns[1] == 1, costs[:, 0], costs[:, 1]).tolist()
    assert excess_over_best_fixed(costs, charged) < -0.01


def test_where_nothing_beats_one_lifetime_it_is_kept() -> None:
    costs, sessions, columns = traffic(1, -1.0)
    choice = choose_ttl(costs, sessions, columns, seed=0, min_gain_share=0.01)
    assert (choice.overall, choice.column, choice.exceptions) == (1, None, {})
    assert excess_over_best_fixed(costs, choice.charged(costs, columns)) == pytest.approx(0)


def test_what_pays_too_little_is_looked_at_and_not_taken() -> None:
    costs, sessions, columns = traffic(1, 0.9)
    choice = choose_ttl(costs, sessions, columns, seed=0, min_gain_share=0.5)
    assert choice.column is None
    (judged,) = choice.judged[1]
    assert "too small" in judged.reason


def test_no_requests_are_no_ground_for_a_choice() -> None:
    none = np.empty(0, np.int32)
    with pytest.raises(InsufficientData):
        choose_ttl(np.empty((0, 3)), none, [none], seed=0, min_gain_share=0.01)


def test_halves_are_halves_drawn_anew_and_the_same_for_a_seed() -> None:
    fit = half_splits(11, 50, seed=3)
    assert fit.shape == (50, 11)
    assert set(fit.sum(axis=1).tolist()) == {5}
    assert len({tuple(row) for row in fit.tolist()}) > 40
    assert (fit == half_splits(11, 50, seed=3)).all()
    assert (fit != half_splits(11, 50, seed=4)).any()


def test_a_choice_without_exceptions_charges_one_policy() -> None:
    costs = np.array([[1.0, 2], [3, 4]])
    assert TtlChoice(overall=1).charged(costs, []).tolist() == [2, 4]
