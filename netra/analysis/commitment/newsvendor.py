"""What a commitment costs, and the level that costs least.

Committed capacity is paid whether it is used or not, at a share `ratio` of the price on demand;
demand above it is paid on demand. The cost is least where demand exceeds the commitment in a share
`ratio` of the time: at the quantile 1 - ratio of demand.
Source: Arrow, Harris and Marschak, Optimal inventory policy (1951); the critical fractile.
Cost: O(n log n).

All costs are in units of demand at its price on demand: multiply by that price.
"""

from __future__ import annotations

import numpy as np

from netra.analysis.compiled import Floats, Int64s
from netra.errors import InvalidInput

#: A distribution longer than this is represented by so many evenly spaced quantiles.
_MOST_POINTS = 2048


def cost(committed: float, demand: Floats, ratio: float) -> float:
    """Mean cost per unit of time of a committed level; `demand` has shape (windows,)."""
    return ratio * committed + float(np.maximum(demand - committed, 0.0).mean())


def quantile_rule(demand: Floats, ratio: float) -> float:
    """The empirical quantile 1 - ratio: right if the future is distributed as the past was."""
    return float(np.quantile(demand, 1.0 - checked(ratio)))


def best(demand: Floats, ratio: float) -> float:
    """The level of least cost for exactly this demand: hindsight, when it is what came."""
    return float(np.quantile(demand, 1.0 - checked(ratio), method="inverted_cdf"))


def mixture_rule(demand: Floats, factors: Floats, weights: Floats, ratio: float) -> float:
    """The quantile 1 - ratio of demand times a level factor that is not known yet.

    `factors` and their `weights` have shape (factors,); every window may meet every factor.
    """
    points = demand
    if len(points) > _MOST_POINTS:
        places = (np.arange(_MOST_POINTS) + 0.5) / _MOST_POINTS * len(demand)
        points = np.sort(demand)[places.astype(np.int64)]
    values: Floats = (points[:, None] * factors).ravel()
    mass = np.broadcast_to(weights / weights.sum(), (len(points), len(factors))).ravel()
    order: Int64s = np.argsort(values, kind="stable")
    reached = np.cumsum(mass[order])
    at = int(np.count_nonzero(reached < (1.0 - checked(ratio)) * reached[-1]))
    return float(values[order[min(at, len(values) - 1)]])


def checked(ratio: float) -> float:
    """The price ratio.

    Raises:
        InvalidInput: it is not between 0 and 1: then nothing, or everything, is committed.
    """
    if not 0.0 < ratio < 1.0:
        raise InvalidInput(f"a price ratio lies between 0 and 1, got {ratio}")
    return ratio
