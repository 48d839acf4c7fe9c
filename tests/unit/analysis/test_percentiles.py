from __future__ import annotations

import math

import numpy as np
import pytest

from netra.analysis.percentiles import interval_ranks, needed, quantiles


def binomial_cdf(k: int, n: int, p: float) -> float:
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))


@pytest.mark.parametrize("n", [5, 6, 17, 60, 299, 400])
@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_ranks_are_the_tightest_that_hold_each_tail(n: int, q: float):
    pair = interval_ranks(n, q, 0.9)
    tail = 0.05
    lows = [k for k in range(1, n + 1) if binomial_cdf(k - 1, n, q) <= tail]
    highs = [k for k in range(1, n + 1) if 1 - binomial_cdf(k - 1, n, q) <= tail]
    assert pair == ((max(lows), min(highs)) if lows and highs else None)


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_needed_is_the_least_n_that_has_an_interval(q: float):
    n = needed(q)
    assert interval_ranks(n, q, 0.9) is not None
    assert interval_ranks(n - 1, q, 0.9) is None


def test_values_are_order_statistics():
    values = np.random.default_rng(0).permutation(np.arange(1, 1001)).astype(float)
    p50, p95, p99 = quantiles(values, [0.5, 0.95, 0.99])
    assert (p50.value, p95.value, p99.value) == (500, 950, 990)
    assert p95.low < 950 < p95.high
    assert p95.n == 1000


def test_large_samples_match_the_normal_approximation():
    n = 5_000_000
    low, high = interval_ranks(n, 0.99, 0.9)
    half = 1.6449 * math.sqrt(n * 0.99 * 0.01)
    assert low == pytest.approx(n * 0.99 - half, abs=2)
    assert high == pytest.approx(n * 0.99 + half, abs=3)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    truth = math.log(20)  # p95 of the unit exponential
    covered = 0
    for _ in range(600):
        (p95,) = quantiles(rng.exponential(size=120), [0.95])
        covered += p95.low <= truth <= p95.high
    assert 0.87 <= covered / 600 <= 0.97


def test_too_few_values_have_no_quantile():
    assert quantiles(np.arange(50.0), [0.5, 0.99])[1] is None
    assert quantiles(np.array([]), [0.5]) == [None]


def test_the_values_are_left_as_they_are():
    values = np.array([3.0, 1.0, 2.0] * 20)
    before = values.copy()
    quantiles(values, [0.5])
    np.testing.assert_array_equal(values, before)
