"""The trend of daily values: the Theil-Sen slope with Sen's interval, within weekdays if it can.

The slope is the median over all pairs of days of (difference / distance) (Theil 1950; Sen 1968):
a few odd days do not move it. With two weeks or more, only pairs of the same weekday are
compared, so that a weekly season is no trend (Hirsch, Slack & Smith 1982). The interval is
Sen's, from the variance of Kendall's S; it assumes that days are independent given the season.

Cost: O(days²).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from netra.errors import InsufficientData

#: Fewer days have no slope worth an interval.
MIN_DAYS = 5
WEEK = 7


@dataclass(frozen=True, kw_only=True)
class Trend:
    """Change a day, in the unit of the values."""

    slope: float
    low: float
    high: float
    level: float
    days: int
    #: Whether only days of the same weekday were compared.
    within_weekdays: bool
    #: The median of the values, to set the slope against.
    median: float


def daily_trend(values: npt.NDArray[np.floating], level: float = 0.9) -> Trend:
    """The trend of one value a day, in order of days.

    Args:
        values: shape (days,); whole days only.

    Raises:
        InsufficientData: fewer than `MIN_DAYS` days.
    """
    days = len(values)
    if days < MIN_DAYS:
        need = f"at least {MIN_DAYS} whole days, there are {days}"
        raise InsufficientData("too few days for a trend", needs=[need])
    season = WEEK if days >= 2 * WEEK else 1
    slopes: list[npt.NDArray[np.float64]] = []
    variance = 0.0
    for start in range(season):
        part = np.asarray(values[start::season], dtype=np.float64)
        earlier, later = np.triu_indices(len(part), k=1)
        slopes.append((part[later] - part[earlier]) / ((later - earlier) * season))
        variance += _kendall_variance(part)
    ordered = np.sort(np.concatenate(slopes))
    z = NormalDist().inv_cdf((1 + level) / 2)
    half = z * math.sqrt(variance)
    low = math.floor((len(ordered) - half) / 2)
    high = math.ceil((len(ordered) + half) / 2)
    last = len(ordered) - 1
    return Trend(
        slope=float(np.median(ordered)),
        low=float(ordered[max(0, low - 1)]),
        high=float(ordered[min(last, high)]),
        level=level,
        days=days,
        within_weekdays=season == WEEK,
        median=float(np.median(values)),
    )


def _kendall_variance(values: npt.NDArray[np.float64]) -> float:
    """Variance of Kendall's S under no trend, corrected for ties (Kendall 1975)."""
    n = len(values)
    _, ties = np.unique(values, return_counts=True)
    tied = float(np.sum(ties * (ties - 1) * (2 * ties + 5)))
    return (n * (n - 1) * (2 * n + 5) - tied) / 18
