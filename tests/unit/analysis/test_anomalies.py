from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.anomalies import unusual_hours
from netra.errors import InsufficientData


def traffic(days: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rate = 200 * (1 + 0.7 * np.cos(2 * np.pi * np.arange(days * 24) / 24))
    # sessions: noise has longer tails than requests of their own would
    return 4.0 * rng.poisson(rate / 4)


def test_a_planted_hour_is_found_and_nothing_else():
    values = traffic(14)
    values[100] *= 4
    found = unusual_hours(values, None, 24, least_weight=20)
    assert [u.hour for u in found] == [100]
    assert found[0].value == values[100]
    assert found[0].expected == np.median(values[100 % 24 :: 24])
    assert found[0].score > 0


def test_a_quiet_hour_is_found_too():
    values = traffic(14)
    values[200] = 0.5
    (found,) = unusual_hours(values, None, 24, least_weight=20)
    assert (found.hour, found.score < 0) == (200, True)


def test_ordinary_traffic_has_no_unusual_hour():
    for seed in range(20):
        assert unusual_hours(traffic(14, seed), None, 24, least_weight=20) == []


def test_values_on_few_events_are_passed_over():
    rng = np.random.default_rng(0)
    latency = 100 * np.exp(rng.normal(0, 0.05, 24 * 7))
    latency[[30, 60]] = 1000.0
    weights = np.full(24 * 7, 50.0)
    weights[60] = 3
    found = unusual_hours(latency, weights, 24, least_weight=20)
    assert [u.hour for u in found] == [30]


def test_unknown_values_are_passed_over():
    values = np.full(24 * 4, np.nan)
    assert unusual_hours(values, np.ones(24 * 4), 24, least_weight=0) == []


def test_constant_traffic_has_no_unusual_hour():
    assert unusual_hours(np.full(24 * 4, 50.0), None, 24, least_weight=0) == []


def test_too_short_a_series_is_refused():
    with pytest.raises(InsufficientData) as refusal:
        unusual_hours(traffic(2), None, 24, least_weight=0)
    assert refusal.value.needs == ["at least 3 whole days, there are 2"]
