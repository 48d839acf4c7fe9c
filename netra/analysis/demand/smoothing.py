"""Exponential smoothing with an additive season and a damped trend: ETS(A,Ad,A).

Source: Hyndman, Koehler, Ord and Snyder, Forecasting with Exponential Smoothing (2008), table 2.1,
in its error-correction form. With `trend` 0 it is ETS(A,N,A). On a logarithmic scale the season is
multiplicative, and a burst moves the level by its order of magnitude only.
Cost: O(series × (windows + horizon)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netra.analysis.compiled import Floats, kernel


@dataclass(frozen=True, kw_only=True)
class Smoothing:
    """How fast each part follows its last error, per window."""

    level: float
    trend: float = 0.0
    season: float
    #: What is left of the trend a window later.
    damping: float = 0.98


#: On the logarithmic scale, rates far below this share of the series' mean look alike.
_LOG_UNIT = 0.1


def smoothed(history: Floats, season: int, horizon: int, by: Smoothing) -> Floats:
    """Smooths each series and forecasts it, never below 0.

    Shapes (series, windows) → (series, horizon). Begins with the mean and the profile of the first
    two seasons (or of the one that there is).
    """
    y = np.ascontiguousarray(history)
    found = _smooth(y, season, horizon, by.level, by.trend, by.season, by.damping)
    return np.maximum(found, 0.0)


def log_smoothed(history: Floats, season: int, horizon: int, by: Smoothing) -> Floats:
    """`smoothed` of log(1 + rate / unit), where the unit is a tenth of the series' mean."""
    unit = _LOG_UNIT * history.mean(axis=1)[:, None]
    unit[unit == 0.0] = 1.0
    found = smoothed(np.log1p(history / unit), season, horizon, by)
    # A level above all that was seen comes from the extrapolation alone.
    ceiling = history.max(axis=1)[:, None]
    return np.minimum(unit * np.expm1(np.minimum(found, 50.0)), ceiling)


@kernel
def _smooth(
    y: Floats,
    season: int,
    horizon: int,
    by_level: float,
    by_trend: float,
    by_season: float,
    damping: float,
) -> Floats:
    count, windows = y.shape
    out = np.empty((count, horizon))
    first = min(windows // season, 2)
    for n in range(count):
        level = 0.0
        for t in range(season):
            level += y[n, t] / season
        base = 0.0
        for t in range(first * season):
            base += y[n, t] / (first * season)
        seasonal = np.zeros(season)
        for t in range(first * season):
            seasonal[t % season] += (y[n, t] - base) / first
        trend = 0.0
        for t in range(windows):
            at = t % season
            error = y[n, t] - level - damping * trend - seasonal[at]
            level += damping * trend + by_level * error
            trend = damping * trend + by_trend * error
            seasonal[at] += by_season * error
        ahead = 0.0
        weight = 1.0
        for h in range(horizon):
            weight *= damping
            ahead += weight * trend
            out[n, h] = level + ahead + seasonal[(windows + h) % season]
    return out
