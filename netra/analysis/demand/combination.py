"""A combination of forecasts: their weighted median, weighted by past errors.

Sources: Bates and Granger, The combination of forecasts (1969), for weights by inverse squared
error; Stock and Watson (2004) and the M4 competition for robust combinations that beat choosing
one model. Choosing the one best model out of twenty by a few past days picks luck.
Cost: O(origins × members × series × horizon × log members).
"""

from __future__ import annotations

import numpy as np

from netra.analysis.compiled import Floats
from netra.analysis.demand.rolling_origin import Folds

#: Errors of at most so many past origins decide: what was good a month ago says little.
RECENT_FOLDS = 7
#: Weights are relative errors to the power of minus this.
_POWER = 2.0
#: Relative errors beyond this are alike: such a member weighs nothing to speak of.
_WORST = 1e3


def combined(folds: Folds) -> Floats:
    """The combined forecast at each origin, by the errors known at that origin.

    Shape (origins, series, horizon).
    """
    out = np.empty_like(folds.actuals)
    for k in range(len(folds.origins)):
        weights = weights_at(folds, k)
        out[k] = _weighted_median(folds.forecasts[k], weights)
    return out


def weights_at(folds: Folds, k: int) -> Floats:
    """Each member's weight at origin `k`, by the folds known then; shape (members, series).

    A member's error is compared with seasonal-naive's on the same folds. Members that no past fold
    has tried weigh nothing; without past folds all weigh the same.
    """
    able = ~np.isnan(folds.forecasts[k]).any(axis=2)
    known = folds.known_at(k)[-RECENT_FOLDS:]
    if not known:
        return able.astype(np.float64)
    errors = np.abs(folds.forecasts[known] - folds.actuals[known][:, None]).sum(axis=3)
    tried = ~np.isnan(errors)
    own = np.where(tried, errors, 0.0).sum(axis=0)
    naive = np.where(tried, errors[:, :1], 0.0).sum(axis=0)
    ratio = np.where(own > 0, _WORST, 1.0)
    np.divide(own, naive, out=ratio, where=naive > 0)
    usable = able & tried.any(axis=0)
    ratio = np.where(usable, np.clip(ratio, 1 / _WORST, _WORST), np.inf)
    return (ratio / ratio.min(axis=0)) ** -_POWER


def _weighted_median(forecasts: Floats, weights: Floats) -> Floats:
    """Shapes (members, series, horizon) and (members, series) → (series, horizon).

    The middle between the lower and the upper weighted median, as for equal weights.
    """
    values = np.where(np.isnan(forecasts), np.inf, forecasts)
    order = np.argsort(values, axis=0, kind="stable")
    values = np.take_along_axis(values, order, axis=0)
    spread = np.broadcast_to(weights[:, :, None], values.shape)
    reached = np.cumsum(np.take_along_axis(spread, order, axis=0), axis=0)
    half = 0.5 * reached[-1:]
    near = 1e-9 * reached[-1:]
    low = (reached >= half - near).argmax(axis=0)[None]
    high = (reached > half + near).argmax(axis=0)[None]
    middle = np.take_along_axis(values, low, axis=0) + np.take_along_axis(values, high, axis=0)
    return 0.5 * middle[0]
