"""A commitment sized on the first part of a history and charged for the second.

Beside it the plain quantile rule, sizing at the peak, and the best level in hindsight.
Cost: O(series × windows log windows).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netra.analysis.commitment.level_factor import level_factors
from netra.analysis.commitment.newsvendor import best, cost, mixture_rule, quantile_rule
from netra.analysis.compiled import Floats
from netra.errors import InsufficientData

#: Days on each side of the cut: fewer tell no distribution.
LEAST_DAYS = 4


@dataclass(frozen=True, kw_only=True)
class Charged:
    """What each rule committed to, and what that would have cost later; shapes (series,)."""

    #: Windows in the first part.
    cut: int
    #: Windows in the second part, which were charged.
    windows: int
    committed: Floats
    by_quantile: Floats
    by_peak: Floats
    by_hindsight: Floats
    #: Mean cost per unit of time in the second part, in demand at its price on demand.
    cost: Floats
    cost_by_quantile: Floats
    cost_by_peak: Floats
    cost_by_hindsight: Floats
    #: Mean demand in the second part: the cost of no commitment.
    on_demand: Floats
    #: Mean demand in both parts: what regret is divided by.
    base: Floats

    def saving(self, cost: Floats) -> Floats:
        """Share of the cost on demand; NaN where nothing was demanded. `cost`: one of the above."""
        out = np.full(len(cost), np.nan)
        np.divide(self.on_demand - cost, self.on_demand, out=out, where=self.on_demand > 0)
        return out

    def regret(self, cost: Floats) -> Floats:
        """(cost - hindsight's) / cost on demand of both parts; NaN without any demand.

        Both parts, so that a series that falls silent after the cut has a finite regret.
        """
        out = np.full(len(cost), np.nan)
        np.divide(cost - self.cost_by_hindsight, self.base, out=out, where=self.base > 0)
        return out


def sized(demand: Floats, windows_per_day: int, ratio: float) -> Floats:
    """The level to commit each series to for what comes after `demand`; shape (series,).

    `demand` has shape (series, windows). Its last whole days tell how levels move.
    """
    days = demand.shape[1] // windows_per_day
    whole = demand[:, demand.shape[1] - days * windows_per_day :]
    daily = whole.reshape(len(demand), days, windows_per_day).mean(axis=2)
    return np.array(
        [
            mixture_rule(row, moves.factors, moves.weights, ratio)
            for row, moves in zip(demand, level_factors(daily), strict=True)
        ]
    )


def charged_later(demand: Floats, windows_per_day: int, ratio: float) -> Charged:
    """Sizes on the first half of the whole days and charges the rest.

    Raises:
        InsufficientData: there are fewer than four days on either side.
    """
    days = demand.shape[1] // windows_per_day
    if days < 2 * LEAST_DAYS:
        raise InsufficientData(
            "a commitment cannot be tested on later days",
            [f"{2 * LEAST_DAYS} whole days of history, there are {days}"],
        )
    cut = (days // 2) * windows_per_day
    before, after = demand[:, :cut], demand[:, cut:]
    levels = {
        "committed": sized(before, windows_per_day, ratio),
        "by_quantile": np.array([quantile_rule(row, ratio) for row in before]),
        "by_peak": before.max(axis=1),
        "by_hindsight": np.array([best(row, ratio) for row in after]),
    }
    costs = {
        name.replace("by", "cost_by").replace("committed", "cost"): np.array(
            [cost(c, row, ratio) for c, row in zip(level.tolist(), after, strict=True)]
        )
        for name, level in levels.items()
    }
    return Charged(
        cut=cut,
        windows=after.shape[1],
        **levels,
        **costs,
        on_demand=after.mean(axis=1),
        base=0.5 * (before.mean(axis=1) + after.mean(axis=1)),
    )
