"""Forecasts win where there is something to win, cover what they promise, and know no future."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.demand import forecast_scores, read
from netra.analysis.demand.forecast import Forecast, forecast
from netra.analysis.demand.scores import interval_scores, wape, weighted_coverage
from netra.errors import InsufficientData, InvalidInput
from tests.shared_data import shared_data
from tests.unit.analysis.demand.series import bursty, daily

SEASON = 8


def test_noise_is_averaged_out_and_seasonal_naive_beaten() -> None:
    history = daily(4, 14, SEASON, noise=0.3)
    clients, total = forecast(history, SEASON, SEASON, 0.8)
    for found in (clients, total):
        days = found.scored[-4:]
        ours = wape(found.actual[days], found.point[days])
        naive = wape(found.actual[days], found.naive[days])
        assert ours is not None
        assert naive is not None
        assert ours < 0.85 * naive
        assert found.is_combined[-1].all()
        assert (found.past[0] < found.past[1]).all()


def test_a_series_that_repeats_itself_keeps_seasonal_naive() -> None:
    clients, _ = forecast(np.tile(np.arange(1.0, SEASON + 1), 12)[None], SEASON, SEASON, 0.8)
    assert not clients.is_combined.any()
    assert clients.point[-1].tolist() == [list(range(1, SEASON + 1))]


def test_intervals_cover_what_they_promise() -> None:
    clients, _ = forecast(daily(12, 21, SEASON, noise=0.4, seed=4), SEASON, SEASON, 0.8)
    days = clients.scored[-8:]
    actual = clients.actual[days]
    covered = weighted_coverage(
        actual, clients.low[days], clients.high[days], actual.sum(axis=(0, 2))
    )
    assert covered == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("make", [daily, bursty])
def test_intervals_hold_together(make: object) -> None:
    history = make(days=10, season=SEASON)  # type: ignore[operator]
    for found in forecast(history, SEASON, 2 * SEASON, 0.9):
        known = ~np.isnan(found.low)
        assert known[-1].all()
        assert (found.low[known] >= 0).all()
        assert (found.low[known] <= found.high[known]).all()
        assert (found.point[known] <= found.high[known] + 1e-9).all()


def test_a_wider_level_is_wider() -> None:
    history = daily(5, 12, SEASON, noise=0.4)
    narrow, wide = (forecast(history, SEASON, SEASON, level)[1] for level in (0.5, 0.9))
    assert (wide.high - wide.low)[-1].mean() > (narrow.high - narrow.low)[-1].mean()


def outcome(found: Forecast, origins: int) -> list[np.ndarray]:
    return [part[:origins] for part in (found.point, found.low, found.high, found.is_combined)]


def test_the_future_of_an_origin_changes_nothing_in_its_forecast() -> None:
    history = bursty(5, 12, SEASON)
    other = history.copy()
    other[:, -3 * SEASON :] = 7.0
    for ours, theirs in zip(
        forecast(history, SEASON, SEASON, 0.8), forecast(other, SEASON, SEASON, 0.8), strict=True
    ):
        origins = int((ours.origins <= history.shape[1] - 3 * SEASON).sum())
        assert origins == 7
        for a, b in zip(outcome(ours, origins), outcome(theirs, origins), strict=True):
            assert np.array_equal(a, b, equal_nan=True)


def test_a_series_alone_is_its_own_total() -> None:
    clients, total = forecast(daily(1, 8, SEASON), SEASON, SEASON, 0.8)
    assert np.array_equal(clients.point, total.point)


def test_what_cannot_be_forecast() -> None:
    with pytest.raises(InsufficientData) as raised:
        forecast(daily(1, 3, SEASON), SEASON, SEASON, 0.8)
    assert raised.value.needs == ["32 windows of history, there are 24"]
    with pytest.raises(InsufficientData):
        forecast(np.zeros((2, 10 * SEASON)), SEASON, SEASON, 0.8)
    for bad in (-1.0, np.nan):
        history = daily(1, 8, SEASON)
        history[0, 3] = bad
        with pytest.raises(InvalidInput):
            forecast(history, SEASON, SEASON, 0.8)


def test_scores() -> None:
    assert wape(np.array([1.0, 3.0]), np.array([2.0, 3.0])) == 0.25
    assert wape(np.zeros(2), np.ones(2)) is None
    actual = np.array([0.0, 2.0, 5.0])
    found = interval_scores(actual, np.ones(3), np.full(3, 3.0), 0.8)
    assert found.tolist() == pytest.approx([2 + 10 * 1, 2, 2 + 10 * 2])
    inside = weighted_coverage(
        actual.reshape(1, 3, 1), np.ones((1, 3, 1)), np.full((1, 3, 1), 3.0), np.array([1, 2, 1.0])
    )
    assert inside == 0.5


@pytest.mark.parametrize(
    ("name", "naive", "best"), [("m-large", 0.479, 0.432), ("m-small", 0.272, 0.228)]
)
def test_real_demand_day_ahead(name: str, naive: float, best: float) -> None:
    """Known answers of the shared data: seasonal-naive to three decimals, and the best tried."""
    found = forecast_scores(read(shared_data(f"demand-{name}.parquet")))
    assert found["seasonal_naive_wape"] == pytest.approx(naive, abs=0.0005)
    assert found["wape"] is not None
    assert found["wape"] <= best
    assert found["client_wape"] is not None
    assert found["client_seasonal_naive_wape"] is not None
    assert found["client_wape"] <= found["client_seasonal_naive_wape"]
    for ratio in (found["interval_score_ratio"], found["client_interval_score_ratio"]):
        assert ratio is not None
        assert ratio <= 1.0
    assert found["coverage_80"] is not None
    assert 0.75 <= found["coverage_80"] <= 0.85
