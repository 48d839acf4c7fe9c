"""Forecasts of a panel of series and of their total, with intervals and their own backtest.

For each series the combination replaces seasonal-naive only where it won at past origins. The total
is the mean of its own combination and the sum of its series' (after Hollyman, Petropoulos and
Tipping, Understanding forecast reconciliation, 2021): the first sees what the series share, the
second is not misled by one series' burst.
Cost: that of `rolling_origin.roll`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from netra.analysis.compiled import Bools, Floats, Int64s
from netra.analysis.demand.combination import combined, weights_at
from netra.analysis.demand.intervals import calibrated
from netra.analysis.demand.members import members
from netra.analysis.demand.rolling_origin import FIRST_SEASONS, Folds, roll
from netra.errors import InsufficientData, InvalidInput

#: At most so many past origins are tried.
MOST_ORIGINS = 21


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Forecasts of some series at past origins and, last, at the end of the history."""

    #: Windows known at each origin; shape (origins,).
    origins: Int64s
    #: Shape (origins, series, horizon); NaN where the history ends.
    actual: Floats
    point: Floats
    low: Floats
    high: Floats
    #: What seasonal-naive says, and intervals made of its residuals in the same way.
    naive: Floats
    naive_low: Floats
    naive_high: Floats
    #: Where the combination was chosen; shape (origins, series).
    is_combined: Bools
    #: Sum of absolute errors at the past origins that are wholly known at the end: of the
    #: combination, of seasonal-naive, and the sum of actuals; shape (3, series).
    past: Floats
    #: Weights of the members in the combination at the end; shape (members, series).
    weights: Floats
    member_names: tuple[str, ...]

    @property
    def scored(self) -> list[int]:
        """The origins whose forecasts can be compared with what came, intervals included."""
        known = ~np.isnan(self.actual).any(axis=(1, 2)) & ~np.isnan(self.low).any(axis=(1, 2))
        return np.flatnonzero(known).tolist()


def forecast(
    history: Floats,
    season: int,
    horizon: int,
    level: float,
    *,
    weekly: bool = True,
    most_origins: int = MOST_ORIGINS,
    advance: Callable[[float], None] = lambda _: None,
) -> tuple[Forecast, Forecast]:
    """Forecasts of each series and of their total.

    `history` has shape (series, windows), rates of at least 0 in equal windows; the results have
    its unit. `season` and `horizon` are windows, `level` is the intervals' coverage. Returns the
    forecast of the series, and that of the total (one series).

    Raises:
        InvalidInput: a rate is negative or not finite, or a number is out of range.
        InsufficientData: fewer than three seasons and a horizon of history, or no demand at all.
    """
    _check(history, season, horizon, level)
    tried = members(season, weekly)
    names = tuple(member.name for member in tried)
    series = roll(history, tried, season, horizon, most_origins, lambda part: advance(0.9 * part))
    total = roll(history.sum(axis=0)[None], tried, season, horizon, most_origins)
    of_series = combined(series)
    of_total = combined(total)
    if len(history) > 1:
        of_total = 0.5 * (of_total + of_series.sum(axis=1)[:, None])
    return (
        _chosen(series, of_series, names, season, level),
        _chosen(total, of_total, names, season, level),
    )


def _chosen(
    folds: Folds, combination: Floats, names: tuple[str, ...], season: int, level: float
) -> Forecast:
    naive = folds.forecasts[:, 0]
    errors = np.stack(
        [
            np.abs(folds.actuals - combination).sum(axis=2),
            np.abs(folds.actuals - naive).sum(axis=2),
            folds.actuals.sum(axis=2),
        ]
    )
    wins = np.zeros(folds.levels.shape, dtype=bool)
    for k in range(len(folds.origins)):
        known = folds.known_at(k)
        wins[k] = errors[0, known].sum(axis=0) < errors[1, known].sum(axis=0)
    own = calibrated(folds, combination, season, level)
    other = calibrated(folds, naive, season, level)
    pick = wins[:, :, None]
    return Forecast(
        origins=folds.origins,
        actual=folds.actuals,
        point=np.where(pick, combination, naive),
        low=np.where(pick, own.low, other.low),
        high=np.where(pick, own.high, other.high),
        naive=naive,
        naive_low=other.low,
        naive_high=other.high,
        is_combined=wins,
        past=errors[:, folds.known_at(len(folds.origins) - 1)].sum(axis=1),
        weights=weights_at(folds, len(folds.origins) - 1),
        member_names=names,
    )


def _check(history: Floats, season: int, horizon: int, level: float) -> None:
    if season < 2 or horizon < 1 or not 0.5 <= level < 1.0:
        raise InvalidInput(
            f"cannot forecast {horizon} windows with a season of {season} at level {level}"
        )
    if not np.isfinite(history).all() or (history < 0).any():
        raise InvalidInput("rates must be finite and at least 0")
    needed = FIRST_SEASONS * season + max(season, horizon)
    if history.shape[1] < needed:
        raise InsufficientData(
            f"{history.shape[1]} windows are too few to forecast {horizon} and test it",
            [f"{needed} windows of history, there are {history.shape[1]}"],
        )
    if not history.any():
        raise InsufficientData("there is no demand at all", ["a rate above 0 in some window"])
