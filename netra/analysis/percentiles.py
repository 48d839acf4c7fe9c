"""Percentiles with distribution-free intervals from order statistics.

The p-quantile of n observations lies between the l-th and the u-th smallest with probability
P(l <= B < u), where B is binomial(n, p): no shape of the distribution is assumed, only that the
observations are independent (David & Nagaraja, "Order Statistics", 3rd ed., 7.1).

Cost: O(n) for all quantiles together (selection, no full sort).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Quantile:
    """A sample quantile, in the unit of the values, and its interval at `level`."""

    q: float
    value: float
    low: float
    high: float
    level: float
    n: int


def quantiles(
    values: npt.NDArray[np.floating], qs: Sequence[float], level: float = 0.9
) -> list[Quantile | None]:
    """The quantiles `qs` of `values`; None where n is too small for an interval at `level`.

    Args:
        values: shape (n,), no NaN; not changed.
        qs: each above 0 and below 1.

    Returns:
        One for each of `qs`: the value is the smallest with at least `q` of the values at or
        below it.
    """
    n = len(values)
    ranks = [interval_ranks(n, q, level) if n else None for q in qs]
    wanted = sorted(
        {r - 1 for q, pair in zip(qs, ranks, strict=True) if pair for r in (*pair, _rank(n, q))}
    )
    placed = np.partition(values, wanted) if wanted else values
    found: list[Quantile | None] = []
    for q, pair in zip(qs, ranks, strict=True):
        if pair is None:
            found.append(None)
            continue
        low, high = float(placed[pair[0] - 1]), float(placed[pair[1] - 1])
        value = float(placed[_rank(n, q) - 1])
        found.append(Quantile(q=q, value=value, low=low, high=high, level=level, n=n))
    return found


def needed(q: float, level: float = 0.9) -> int:
    """The least n for which the q-quantile has a two-sided interval at `level`."""
    tail = (1 - level) / 2
    return math.ceil(math.log(tail) / math.log(max(q, 1 - q)))


def interval_ranks(n: int, q: float, level: float) -> tuple[int, int] | None:
    """The 1-based ranks (l, u) of the interval's ends; None: n is too small for one.

    Each tail has at most half of `1 - level`, computed from the exact binomial distribution.
    """
    tail = (1 - level) / 2
    first, below = _binomial_cdf(n, q)
    # the largest l with P(B < l) <= tail, the smallest u with P(B >= u) <= tail
    low = first + int(np.searchsorted(below, tail, side="right"))
    high = first + int(np.searchsorted(below, 1 - tail, side="left")) + 1
    if low < 1 or high > n:
        return None
    return low, high


def _rank(n: int, q: float) -> int:
    return min(n, max(1, math.ceil(n * q - 1e-9)))


def _binomial_cdf(n: int, q: float) -> tuple[int, npt.NDArray[np.float64]]:
    """P(B <= k) for k = first, first + 1, …; what is left out weighs less than 1e-15."""
    spread = 9 * math.sqrt(n * q * (1 - q)) + 40
    first = max(0, math.floor(n * q - spread))
    last = min(n, math.ceil(n * q + spread))
    k = np.arange(first, last)
    steps = np.log((n - k) / (k + 1.0)) + math.log(q / (1 - q))
    log_pmf = np.concatenate([[0.0], np.cumsum(steps)])
    pmf = np.exp(log_pmf - log_pmf.max())
    return first, np.cumsum(pmf) / pmf.sum()
