"""Every member beside a slow, obvious one; what holds for all of them."""

from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.demand.level import mean_level, median_level
from netra.analysis.demand.members import members
from netra.analysis.demand.profile import mean_profile, median_profile, scaled_profile
from netra.analysis.demand.seasonal_naive import seasonal_naive
from netra.analysis.demand.smoothing import Smoothing, log_smoothed, smoothed
from netra.errors import InvalidInput
from tests.unit.analysis.demand.series import bursty, daily

SEASON = 6


def test_seasonal_naive_repeats_the_last_season() -> None:
    history = np.arange(8.0)[None]
    assert seasonal_naive(history, 3, 7).tolist() == [[5, 6, 7, 5, 6, 7, 5]]
    with pytest.raises(InvalidInput):
        seasonal_naive(history, 9, 1)


@pytest.mark.parametrize("decay", [1.0, 0.7])
def test_profiles_are_weighted_means_and_medians_of_the_same_place_in_the_season(
    decay: float,
) -> None:
    history = daily(2, 5, SEASON, seed=3)[:, 2:]  # not whole seasons: the first windows are unused
    mean = mean_profile(history, SEASON, 9, decay)
    median = median_profile(history, SEASON, 9, decay)
    for n in range(2):
        for h in range(9):
            # The same place, one, two, … seasons back.
            back = [history.shape[1] - k * SEASON + h % SEASON for k in range(1, 5)]
            values = [(float(history[n, t]), decay**k) for k, t in enumerate(back)]
            total = sum(w for _, w in values)
            assert mean[n, h] == pytest.approx(sum(v * w for v, w in values) / total)
            reached = 0.0
            for value, weight in sorted(values):
                reached += weight
                if reached >= total / 2:
                    assert median[n, h] == value
                    break


def test_a_scaled_profile_follows_the_level() -> None:
    history = np.tile(1.0 + np.arange(SEASON), 6)[None]
    assert scaled_profile(history, SEASON, 3, 0.8, SEASON) == pytest.approx(
        np.array([[1.0, 2.0, 3.0]])
    )
    doubled = history.copy()
    doubled[:, -SEASON:] *= 2
    plain = mean_profile(doubled, SEASON, 3, 0.8)
    assert (scaled_profile(doubled, SEASON, 3, 0.8, SEASON) > plain).all()
    quiet = np.zeros((1, 4 * SEASON))
    assert not scaled_profile(quiet, SEASON, 3, 0.8, SEASON).any()


def test_levels() -> None:
    history = np.array([[9.0, 1.0, 2.0, 6.0]])
    assert mean_level(history, 3, 2).tolist() == [[3.0, 3.0]]
    assert median_level(history, 3, 2).tolist() == [[2.0, 2.0]]


def slow_smoothing(y: list[float], horizon: int, by: Smoothing) -> list[float]:
    level = sum(y[:SEASON]) / SEASON
    two = y[: 2 * SEASON]
    season = [(two[i] + two[SEASON + i]) / 2 - sum(two) / len(two) for i in range(SEASON)]
    trend = 0.0
    for t, value in enumerate(y):
        expected = level + by.damping * trend + season[t % SEASON]
        error = value - expected
        level = level + by.damping * trend + by.level * error
        trend = by.damping * trend + by.trend * error
        season[t % SEASON] += by.season * error
    out: list[float] = []
    for h in range(1, horizon + 1):
        damped = sum(by.damping**k for k in range(1, h + 1))
        out.append(max(0.0, level + damped * trend + season[(len(y) + h - 1) % SEASON]))
    return out


@pytest.mark.parametrize("trend", [0.0, 0.05])
def test_smoothing_is_the_recursion_of_the_book(trend: float) -> None:
    by = Smoothing(level=0.2, trend=trend, season=0.1, damping=0.9)
    history = daily(3, 5, SEASON, seed=5)[:, :-2]
    found = smoothed(history, SEASON, 8, by)
    for row, expected in zip(found, history, strict=True):
        assert row.tolist() == pytest.approx(slow_smoothing(expected.tolist(), 8, by))


def test_logarithmic_smoothing_is_not_carried_away_by_a_burst() -> None:
    by = Smoothing(level=0.2, season=0.1)
    history = daily(1, 6, SEASON, noise=0.05)
    burst = history.copy()
    burst[0, -3] = 500.0
    plain = np.abs(smoothed(burst, SEASON, 6, by) - history[:, :6]).max()
    logged = np.abs(log_smoothed(burst, SEASON, 6, by) - history[:, :6]).max()
    assert logged < 0.2 * plain


@pytest.mark.parametrize("make", [daily, bursty])
def test_no_member_depends_on_the_unit_and_none_is_negative(make: object) -> None:
    history = make(days=15, season=SEASON)  # type: ignore[operator]
    for member in members(SEASON):
        assert history.shape[1] >= member.needs
        found = member.forecast(history, 9)
        assert found.shape == (len(history), 9)
        assert (found >= 0).all()
        assert np.isfinite(found).all()
        per_hour = member.forecast(3600.0 * history, 9)
        assert per_hour == pytest.approx(3600.0 * found, rel=1e-9), member.name


def test_names_are_unique_and_the_first_is_the_one_to_beat() -> None:
    names = [member.name for member in members(24)]
    assert len(set(names)) == len(names)
    assert names[0] == "seasonal-naive(24)"
