"""Hours that stand out from what their place in the season says.

Each hour is compared, on a logarithmic scale, with the median of the hours at the same place in
the season; what is left over is scaled by its own spread (median absolute deviation x 1.4826, a
standard deviation where errors are normal), so that the odd hours do not hide themselves (Iglewicz
& Hoaglin 1993). An hour stands out beyond `threshold` of those.

Cost: O(hours log hours).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from netra.errors import InsufficientData

#: Values at each place of the season that a median needs.
MIN_PERIODS = 3
#: Spreads beyond which an hour stands out. Traffic comes in sessions and its noise has longer
#: tails than a normal one, where 6 would do for a lifetime of hours.
THRESHOLD = 8.0


@dataclass(frozen=True, kw_only=True)
class Unusual:
    """One hour that stands out."""

    #: Its place in the series, from 0.
    hour: int
    value: float
    #: The median of the hours at its place in the season.
    expected: float
    #: How many spreads it is away; positive: more than expected.
    score: float


def unusual_hours(
    values: npt.NDArray[np.floating],
    weights: npt.NDArray[np.floating] | None,
    period: int,
    *,
    least_weight: float,
    threshold: float = THRESHOLD,
) -> list[Unusual]:
    """The hours that stand out, the oddest first.

    Args:
        values: a positive value for each hour in a row, shape (hours,); NaN where there is none.
        weights: how many events each value rests on, shape (hours,); an hour's noise is taken to
            shrink with the root of it. None: the values are counts, and rest on as many events as
            are expected. Hours of less than `least_weight` are passed over: nothing can be told.
        period: hours of the season: 24 or 168; 1: none.

    Raises:
        InsufficientData: fewer than `MIN_PERIODS` whole periods.
    """
    periods = len(values) // period
    if periods < MIN_PERIODS:
        unit = {24: "days", 168: "weeks"}.get(period, "hours")
        need = f"at least {MIN_PERIODS} whole {unit}, there are {periods}"
        raise InsufficientData("too short to tell what is usual", needs=[need])
    place = np.arange(len(values)) % period
    usable = np.isfinite(values) & (values > 0)
    if weights is not None:
        usable &= weights >= least_weight
    expected = _medians(values, usable, place, period)
    usable &= np.isfinite(expected)
    weights = expected if weights is None else weights
    usable &= np.nan_to_num(weights) >= least_weight
    scores = np.zeros(len(values))
    weighed = np.log(values[usable] / expected[usable]) * np.sqrt(weights[usable])
    # an hour that is its place's median leaves nothing over, and would make the spread too small
    left = np.abs(weighed[weighed != 0])
    if not len(left):
        return []
    scores[usable] = weighed / (1.4826 * float(np.median(left)))
    order = np.argsort(-np.abs(scores))
    return [
        Unusual(
            hour=int(i),
            value=float(values[i]),
            expected=float(expected[i]),
            score=float(scores[i]),
        )
        for i in order
        if abs(scores[i]) > threshold
    ]


def _medians(
    values: npt.NDArray[np.floating],
    usable: npt.NDArray[np.bool_],
    place: npt.NDArray[np.int64],
    period: int,
) -> npt.NDArray[np.float64]:
    """For each hour the median of its place in the season, NaN where too few are usable."""
    found = np.full(len(values), np.nan)
    for at in range(period):
        same = usable & (place == at)
        if np.count_nonzero(same) >= MIN_PERIODS:
            found[place == at] = np.median(values[same])
    return found
