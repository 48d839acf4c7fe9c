"""Rolling origins know nothing of their future; the weighted median beside a slow one."""

from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.demand.combination import combined, weights_at
from netra.analysis.demand.members import members
from netra.analysis.demand.rolling_origin import Folds, roll
from tests.unit.analysis.demand.series import bursty, daily

SEASON = 6
MEMBERS = members(SEASON)


def rolled(history: np.ndarray, horizon: int = SEASON) -> Folds:
    return roll(history, MEMBERS, SEASON, horizon, 20)


def test_origins_end_with_the_history_a_season_apart() -> None:
    folds = rolled(daily(2, 6, SEASON)[:, 1:])
    assert folds.origins.tolist() == [23, 29, 35]
    assert np.isnan(folds.actuals[-1]).all()
    assert folds.known_at(0) == []
    assert folds.known_at(2) == [0, 1]
    # Two days ahead: what was said a day ago cannot be judged yet.
    assert rolled(daily(2, 6, SEASON), 2 * SEASON).known_at(3) == [0, 1]


def test_what_comes_after_an_origin_changes_nothing_before_it() -> None:
    history = bursty(3, 9, SEASON)
    other = history.copy()
    other[:, -2 * SEASON :] = 1e6
    ours, theirs = rolled(history), rolled(other)
    before = ours.origins <= history.shape[1] - 2 * SEASON
    assert before.sum() == 5
    assert np.array_equal(combined(ours)[before], combined(theirs)[before])
    assert not np.array_equal(combined(ours)[-1], combined(theirs)[-1])


def slow_weights(folds: Folds, k: int, n: int) -> list[float]:
    ratios: list[float] = []
    for j in range(folds.forecasts.shape[1]):
        own = naive = 0.0
        tried = False
        for i in folds.known_at(k)[-7:]:
            said = folds.forecasts[i, j, n]
            if not np.isnan(said).any():
                tried = True
                own += float(np.abs(said - folds.actuals[i, n]).sum())
                naive += float(np.abs(folds.forecasts[i, 0, n] - folds.actuals[i, n]).sum())
        able = not np.isnan(folds.forecasts[k, j, n]).any()
        ratios.append(own / naive if tried and able else float("inf"))
    return [(r / min(ratios)) ** -2 for r in ratios]


def slow_median(values: list[float], weights: list[float]) -> float:
    pairs = sorted((v, w) for v, w in zip(values, weights, strict=True) if w > 0)
    total, reached = sum(w for _, w in pairs), 0.0
    for value, weight in pairs:
        reached += weight
        if reached > total / 2:
            return value
    raise AssertionError


def test_the_combination_is_the_weighted_median_by_past_errors() -> None:
    folds = rolled(daily(2, 9, SEASON, noise=0.5))
    found = combined(folds)
    last = len(folds.origins) - 1
    weights = weights_at(folds, last)
    for n in range(2):
        expected = slow_weights(folds, last, n)
        assert weights[:, n].tolist() == pytest.approx(expected)
        for h in range(SEASON):
            said = folds.forecasts[last, :, n, h].tolist()
            assert found[last, n, h] == pytest.approx(slow_median(said, expected))


def test_without_a_past_all_that_can_forecast_weigh_the_same() -> None:
    folds = rolled(daily(1, 4, SEASON))
    able = ~np.isnan(folds.forecasts[0, :, 0, 0])
    assert 0 < able.sum() < len(MEMBERS)
    assert np.array_equal(weights_at(folds, 0)[:, 0], able.astype(float))
    assert combined(folds)[0, 0, 0] == pytest.approx(np.median(folds.forecasts[0, able, 0, 0]))
