"""The rule of least cost beside trying every level."""

from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.commitment.level_factor import level_factors
from netra.analysis.commitment.newsvendor import best, cost, mixture_rule, quantile_rule
from netra.errors import InvalidInput


@pytest.mark.parametrize("ratio", [0.1, 0.4, 0.6, 0.95])
@pytest.mark.parametrize("seed", range(5))
def test_no_level_costs_less_than_the_best(ratio: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    demand = np.where(rng.random(60) < 0.3, 0.0, rng.exponential(5.0, 60))
    found = cost(best(demand, ratio), demand, ratio)
    tried = [cost(level, demand, ratio) for level in (0.0, *demand.tolist())]
    assert found == pytest.approx(min(tried))


def test_cost_is_the_commitment_and_what_overflows() -> None:
    demand = np.array([0.0, 4.0, 8.0])
    assert cost(4.0, demand, 0.5) == pytest.approx(0.5 * 4 + 4 / 3)
    assert cost(0.0, demand, 0.5) == pytest.approx(4.0)


def test_a_level_that_does_not_move_leaves_the_quantile() -> None:
    demand = np.random.default_rng(0).exponential(5.0, 400)
    one = np.ones(1)
    assert mixture_rule(demand, one, one, 0.6) == pytest.approx(
        quantile_rule(demand, 0.6), rel=0.02
    )


def test_the_mixture_is_the_quantile_of_all_products() -> None:
    demand = np.array([1.0, 2.0, 3.0])
    factors, weights = np.array([0.5, 2.0]), np.array([3.0, 1.0])
    every = sorted([0.5, 1.0, 1.5] * 3 + [2.0, 4.0, 6.0])
    for ratio in (0.25, 0.5, 0.7):
        at = int(np.ceil((1 - ratio) * len(every) - 1e-9)) - 1
        assert mixture_rule(demand, factors, weights, ratio) == every[at]


def test_demand_that_may_vanish_is_committed_to_less() -> None:
    demand = np.full(100, 10.0)
    sure = mixture_rule(demand, np.ones(1), np.ones(1), 0.6)
    unsure = mixture_rule(demand, np.array([1.0, 0.0]), np.array([0.5, 0.5]), 0.6)
    assert (sure, unsure) == (10.0, 0.0)


def test_factors_are_means_after_over_before_each_cut() -> None:
    daily = np.array([[1.0, 1.0, 2.0, 2.0], [1.0, 3.0, 2.0, 2.0]])
    first, second = level_factors(daily)
    assert first.factors[0] == 2.0
    assert second.factors[0] == 1.0
    # Half its own, half of all series: 1 and 2 in evenly spaced quantiles.
    assert first.weights[0] == 0.5
    assert first.weights[1:].sum() == pytest.approx(0.5)
    assert first.factors[1:].mean() == pytest.approx(1.5)
    (alone,) = level_factors(daily[:1])
    assert alone.factors.tolist() == [2.0, 1.0]
    (short,) = level_factors(daily[:1, :3])
    assert (short.factors.tolist(), short.weights.tolist()) == ([1.0], [1.0])


def test_a_series_that_begins_late_has_no_factor_of_its_own() -> None:
    silent, steady = level_factors(np.array([[0.0, 0.0, 0.0, 5.0], [1.0, 1.0, 1.0, 1.0]]))
    assert silent.weights.sum() == pytest.approx(1.0)
    assert np.isfinite(silent.factors).all()
    assert set(steady.factors.tolist()) == {1.0}


@pytest.mark.parametrize("ratio", [0.0, 1.0, -1.0, float("nan")])
def test_a_price_ratio_lies_between_0_and_1(ratio: float) -> None:
    with pytest.raises(InvalidInput):
        quantile_rule(np.ones(3), ratio)
