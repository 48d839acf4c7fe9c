"""Intervals around forecasts: conformal, from scaled residuals of rolling origins, then calibrated.

Residuals are divided by a scale (the forecast plus half of the level known at the origin), their
quantiles taken from each side on its own, half from the series itself and half from all series
together, and never reach beyond the largest residual that the series has shown. Neighbouring hours
err together, so quantiles of few days are too narrow; the nominal level is therefore moved until
intervals made in the same way at the last past origins would have covered what was asked for.

Sources: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005), for split
conformal prediction; Romano, Patterson and Candès (2019) for two-sided quantiles; Gibbs and Candès,
Adaptive conformal inference under distribution shift (2021), for moving the level.
Cost: O(levels × origins × residuals log residuals).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netra.analysis.compiled import Floats
from netra.analysis.demand.rolling_origin import Folds

#: Nominal levels that calibration may choose from, and between.
_NOMINAL = np.array([0.5, 0.6, 0.7, 0.75, 0.8, 0.84, 0.88, 0.91, 0.94, 0.96, 0.98, 0.99, 1.0])
#: Calibration looks at so many past origins.
_RECENT = 5
#: Share of all series' residuals in the quantiles of one.
_POOLED = 0.5
#: An interval narrower than this share of the known level has no width but rounding.
_FLAT = 1e-9
#: Share of the known level in the scale of a residual.
_LEVEL_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Band:
    """Lower and upper ends; NaN at origins before which no residual is known."""

    #: Shape (origins, series, horizon).
    low: Floats
    high: Floats
    #: The nominal level that calibration chose; shape (origins,).
    nominal: Floats


def calibrated(folds: Folds, forecast: Floats, season: int, level: float) -> Band:
    """Intervals around `forecast` (origins, series, horizon) at each origin that has a past.

    Each uses only what is known at its origin.
    """
    residuals = folds.actuals - forecast
    scale = forecast + _LEVEL_SHARE * folds.levels[:, :, None]
    low = np.full((len(_NOMINAL), *forecast.shape), np.nan)
    high = np.full_like(low, np.nan)
    for k in range(len(folds.origins)):
        known = folds.known_at(k)
        if known:
            reach = _reach(residuals[known], scale[known], folds.levels[k] > 0, season)
            most = np.abs(residuals[known]).max(axis=(0, 2))[:, None]
            low[:, k] = np.maximum(forecast[k] + np.maximum(reach[0] * scale[k], -most), 0.0)
            high[:, k] = np.maximum(forecast[k] + np.minimum(reach[1] * scale[k], most), low[:, k])
    return _not_certain(folds, _at_level(folds, low, high, level), forecast, np.abs(residuals))


def _not_certain(folds: Folds, band: Band, forecast: Floats, errors: Floats) -> Band:
    """Where most residuals are 0 and some are not, quantiles have no width, and claim certainty.

    Such an interval gets the series' mean absolute residual on either side.
    """
    low, high = band.low.copy(), band.high.copy()
    for k in range(len(folds.origins)):
        if known := folds.known_at(k):
            mean = errors[known].mean(axis=(0, 2))[:, None]
            flat = (high[k] - low[k] <= _FLAT * folds.levels[k][:, None]) & (mean > 0)
            low[k] = np.where(flat, np.maximum(forecast[k] - mean, 0.0), low[k])
            high[k] = np.where(flat, forecast[k] + mean, high[k])
    return Band(low=low, high=high, nominal=band.nominal)


def _reach(residuals: Floats, scale: Floats, active: np.ndarray, season: int) -> Floats:
    """Quantiles of scaled residuals; shape (2, levels, series, horizon).

    Those of the first season ahead, of the second, … are kept apart.
    """
    z = np.divide(residuals, scale, out=np.zeros_like(residuals), where=scale > 0)
    horizon = z.shape[2]
    out = np.empty((2, len(_NOMINAL), z.shape[1], horizon))
    tails = 0.5 * (1.0 - _NOMINAL)
    for at in range(0, horizon, season):
        block = slice(at, min(at + season, horizon))
        per_series = z[:, :, block].transpose(1, 0, 2).reshape(z.shape[1], -1)
        own = np.quantile(per_series, (tails, 1.0 - tails), axis=1)
        share = _POOLED if active.sum() > 1 else 0.0
        if share:
            of_all = np.quantile(per_series[active], (tails, 1.0 - tails))
            own = (1.0 - share) * own + share * of_all[:, :, None]
        out[:, :, :, block] = own[:, :, :, None]
    return out


def _at_level(folds: Folds, low: Floats, high: Floats, level: float) -> Band:
    """At each origin, between the two nominal levels whose past coverage encloses `level`."""
    origins = len(folds.origins)
    inside = (folds.actuals >= low) & (folds.actuals <= high)
    chosen = np.full(origins, level)
    for k in range(origins):
        past = [i for i in folds.known_at(k) if not np.isnan(low[0, i]).any()][-_RECENT:]
        if past:
            volume = folds.actuals[past].sum(axis=(0, 2))
            of_series = inside[:, past].mean(axis=(1, 3))
            if volume.sum() > 0:
                chosen[k] = _nominal_for(of_series @ (volume / volume.sum()), level)
    at = np.interp(chosen, _NOMINAL, np.arange(len(_NOMINAL)))
    left = np.minimum(at.astype(np.int64), len(_NOMINAL) - 2)
    part = (at - left)[:, None, None]
    every = np.arange(origins)
    return Band(
        low=(1.0 - part) * low[left, every] + part * low[left + 1, every],
        high=(1.0 - part) * high[left, every] + part * high[left + 1, every],
        nominal=chosen,
    )


def _nominal_for(coverage: Floats, level: float) -> float:
    """The least nominal level at which `coverage` (by nominal level) reaches `level`."""
    rising = np.maximum.accumulate(coverage)
    if rising[-1] < level:
        return 1.0
    at = int(np.argmax(rising >= level))
    if at == 0:
        return float(_NOMINAL[0])
    step = (level - rising[at - 1]) / (rising[at] - rising[at - 1])
    return float(_NOMINAL[at - 1] + step * (_NOMINAL[at] - _NOMINAL[at - 1]))
