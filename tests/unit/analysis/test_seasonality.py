from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.seasonality import DAY, WEEK, season
from netra.errors import InsufficientData


def traffic(hours: int, amplitude: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rate = 100 * (1 + amplitude * np.cos(2 * np.pi * (np.arange(hours) % 24 - 14) / 24))
    return rng.poisson(rate).astype(float)


def test_a_planted_season_is_found_where_it_lies():
    found = season(traffic(24 * 10, 0.6), DAY, seed=1)
    assert int(np.argmax(found.profile)) in (13, 14, 15)
    assert found.strength > 0.9
    assert found.p_value == pytest.approx(1 / 200)
    assert found.peak_to_mean == pytest.approx(1.6, rel=0.05)
    assert found.periods == 10


def test_the_profile_starts_at_the_periods_first_hour():
    hourly = traffic(24 * 6, 0.6)
    whole = season(hourly, DAY, seed=1)
    later = season(hourly[5 : 5 + 24 * 5], DAY, first_hour=5, seed=1)
    assert abs(int(np.argmax(whole.profile)) - int(np.argmax(later.profile))) <= 1


def test_the_strength_equals_adjusted_r_squared():
    hourly = traffic(24 * 4, 0.3)
    grid = hourly.reshape(4, 24)
    residual = ((grid - grid.mean(0)) ** 2).sum() / (96 - 24)
    total = ((hourly - hourly.mean()) ** 2).sum() / (96 - 1)
    assert season(hourly, DAY, seed=0).strength == pytest.approx(1 - residual / total)


def test_no_season_is_seldom_found():
    false = sum(season(traffic(24 * 5, 0.0, s), DAY, seed=s).p_value <= 0.05 for s in range(60))
    assert false <= 9  # 3 expected; more than 9 has probability 0.001


def test_traffic_that_only_drifts_has_no_season():
    rng = np.random.default_rng(3)
    walk = 200 + np.cumsum(rng.normal(0, 3, 24 * 8))
    assert season(walk, DAY, seed=0).p_value > 0.01


def test_a_weekly_season_needs_two_weeks():
    with pytest.raises(InsufficientData) as refusal:
        season(traffic(WEEK + 100, 0.5), WEEK, seed=0)
    assert refusal.value.needs == ["at least 2 whole weeks of traffic, there are 1"]
    assert season(traffic(2 * WEEK, 0.5), WEEK, seed=0).periods == 2
