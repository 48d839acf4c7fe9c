"""By how much the level of demand moves from what was measured to what comes after.

A commitment sized on the past is used in the future, and the level may have moved by then. How far
levels move is measured in the history itself: it is cut at each day, and the mean after the cut is
divided by the mean before it. The distribution of factors for one series is half its own and half
that of all series (a series alone: half its own, half "no change"), since one series has few cuts.
Source: a plain empirical-Bayes shrinkage of the predictive distribution (Efron and Morris 1975).
Cost: O(series × days).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netra.analysis.compiled import Floats

#: Days on each side of a cut, at least.
_LEAST_DAYS = 2
#: All series' factors are represented by so many evenly spaced quantiles.
_POINTS = 21
#: What a series' own factors weigh.
_OWN = 0.5


@dataclass(frozen=True, kw_only=True)
class LevelFactors:
    """Factors and their weights, for one series; shape (factors,)."""

    factors: Floats
    weights: Floats


def level_factors(daily: Floats) -> list[LevelFactors]:
    """Of each series, from its mean rate by day; `daily` has shape (series, days).

    With fewer than four days nothing is known of changes: the factor is 1.
    """
    own = _moves(daily)
    every = own[np.isfinite(own)]
    if len(daily) > 1 and every.size:
        common = np.quantile(every, (np.arange(_POINTS) + 0.5) / _POINTS)
    else:
        common = np.ones(1)
    return [_mixed(row[np.isfinite(row)], common) for row in own]


def _moves(daily: Floats) -> Floats:
    """Mean after a cut over mean before it; NaN where there was nothing before it.

    Shape (series, cuts).
    """
    days = daily.shape[1]
    cuts = range(_LEAST_DAYS, days - _LEAST_DAYS + 1)
    out = np.full((len(daily), len(cuts)), np.nan)
    for i, cut in enumerate(cuts):
        before, after = daily[:, :cut].mean(axis=1), daily[:, cut:].mean(axis=1)
        np.divide(after, before, out=out[:, i], where=before > 0)
    return out


def _mixed(own: Floats, common: Floats) -> LevelFactors:
    share = _OWN if own.size else 0.0
    weights = [np.full(own.size, share / max(own.size, 1)), np.full(common.size, (1 - share))]
    weights[1] /= common.size
    return LevelFactors(factors=np.concatenate([own, common]), weights=np.concatenate(weights))
