from __future__ import annotations

from itertools import combinations
from statistics import median

import numpy as np
import pytest

from netra.analysis.trend import daily_trend
from netra.errors import InsufficientData


def test_the_slope_is_the_median_of_all_pairs():
    values = np.random.default_rng(0).normal(100, 5, 11)
    slopes = [(values[j] - values[i]) / (j - i) for i, j in combinations(range(11), 2)]
    assert daily_trend(values).slope == pytest.approx(median(slopes))


def test_two_weeks_compare_only_the_same_weekdays():
    values = np.random.default_rng(0).normal(100, 5, 24)
    pairs = [(i, j) for i, j in combinations(range(24), 2) if (j - i) % 7 == 0]
    slopes = [(values[j] - values[i]) / (j - i) for i, j in pairs]
    trend = daily_trend(values)
    assert trend.within_weekdays
    assert trend.slope == pytest.approx(median(slopes))


def test_a_weekly_season_is_no_trend():
    week = np.array([100, 110, 120, 110, 100, 20, 10.0])
    values = np.tile(week, 4) + 2.0 * np.arange(28)
    trend = daily_trend(values)
    assert (trend.slope, trend.low, trend.high) == pytest.approx((2.0, 2.0, 2.0))


def test_an_odd_day_moves_nothing():
    values = 50 + 3.0 * np.arange(20)
    values[9] = 5000
    assert daily_trend(values).slope == pytest.approx(3.0)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(400):
        trend = daily_trend(1000 + 4.0 * np.arange(13) + rng.normal(0, 30, 13))
        covered += trend.low <= 4.0 <= trend.high
    assert 0.86 <= covered / 400 <= 0.97


def test_too_few_days_are_refused():
    with pytest.raises(InsufficientData) as refusal:
        daily_trend(np.arange(4.0))
    assert refusal.value.needs == ["at least 5 whole days, there are 4"]
