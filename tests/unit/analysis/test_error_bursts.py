from __future__ import annotations

import math

import numpy as np
import pytest

from netra.analysis.error_bursts import error_bursts


def test_a_burst_is_found_and_nothing_else():
    rng = np.random.default_rng(0)
    requests = np.full(300, 100.0)
    failed = rng.binomial(100, 0.01, 300).astype(float)
    failed[77] = 30
    (burst,) = error_bursts(failed, requests)
    assert (burst.hour, burst.failed, burst.requests) == (77, 30, 100)
    assert burst.usual_rate == pytest.approx(failed.sum() / 30_000)


def test_the_bound_is_above_the_true_chance():
    requests, failed = np.full(50, 40.0), np.zeros(50)
    failed[:5] = 2
    failed[9] = 8
    (burst,) = error_bursts(failed, requests, alpha=0.5)
    p = failed.sum() / requests.sum()
    exact = sum(math.comb(40, k) * p**k * (1 - p) ** (40 - k) for k in range(8, 41))
    assert exact * 50 <= burst.chance < 0.5


def test_steady_failures_are_no_burst():
    false = 0
    for seed in range(200):
        failed = np.random.default_rng(seed).binomial(60, 0.02, 168).astype(float)
        false += bool(error_bursts(failed, np.full(168, 60.0), alpha=0.05))
    assert false <= 16  # at most 5 % of 200 expected; more than 16 has probability 0.02


@pytest.mark.parametrize("failed", [np.zeros(5), np.full(5, 10.0)])
def test_none_or_all_failing_has_no_usual_to_differ_from(failed):
    assert error_bursts(failed, np.full(5, 10.0)) == []
