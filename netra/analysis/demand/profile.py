"""Forecasts by the time within the season: the weighted mean or median of the past seasons.

Season k before the last weighs `decay ** k`. The median is the value at which half of the weight is
reached; of bursty series it is what minimises the sum of absolute errors (Koenker, Quantile
Regression, section 1.3).
Cost: O(series × windows × log seasons).
"""

from __future__ import annotations

import numpy as np

from netra.analysis.compiled import Floats
from netra.analysis.demand.seasonal_naive import repeated

#: Of the mean level, added on both sides of a ratio, so that a quiet day explodes nothing.
_RATIO_PRIOR = 0.1
_RATIO_LIMIT = 5.0


def mean_profile(history: Floats, season: int, horizon: int, decay: float) -> Floats:
    """Weighted mean by place in the season; shapes (series, windows) → (series, horizon)."""
    return repeated(_means(history, season, decay), season, horizon)


def median_profile(history: Floats, season: int, horizon: int, decay: float) -> Floats:
    """Weighted median by place in the season; shapes (series, windows) → (series, horizon)."""
    seasons = _by_season(history, season)
    order = np.argsort(seasons, axis=1, kind="stable")
    weights = np.broadcast_to(_weights(seasons.shape[1], decay)[None, :, None], seasons.shape)
    reached = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    at = (reached >= 0.5 * reached[:, -1:, :]).argmax(axis=1)[:, None, :]
    ordered = np.take_along_axis(seasons, order, axis=1)
    return repeated(np.take_along_axis(ordered, at, axis=1)[:, 0], season, horizon)


def scaled_profile(history: Floats, season: int, horizon: int, decay: float, recent: int) -> Floats:
    """The mean profile, scaled to the level of the last `recent` windows.

    The scale is recent level / what the profile says for those windows, drawn towards 1 by a tenth
    of the mean level, and within a factor of 5.
    """
    profile = _means(history, season, decay)
    recent = min(recent, history.shape[1])
    places = np.arange(-recent, 0) % season
    prior = _RATIO_PRIOR * history.mean(axis=1)
    found = history[:, -recent:].mean(axis=1) + prior
    expected = profile[:, places].mean(axis=1) + prior
    ratio = np.divide(found, expected, out=np.ones_like(found), where=expected > 0)
    ratio = np.clip(ratio, 1 / _RATIO_LIMIT, _RATIO_LIMIT)
    return repeated(profile * ratio[:, None], season, horizon)


def _means(history: Floats, season: int, decay: float) -> Floats:
    seasons = _by_season(history, season)
    weights = _weights(seasons.shape[1], decay)
    return np.einsum("nds,d->ns", seasons, weights / weights.sum())


def _by_season(history: Floats, season: int) -> Floats:
    """Shape (series, whole seasons, season); the last one ends with the history."""
    count = history.shape[1] // season
    return history[:, history.shape[1] - count * season :].reshape(len(history), count, season)


def _weights(count: int, decay: float) -> Floats:
    return decay ** np.arange(count, dtype=np.float64)[::-1]
