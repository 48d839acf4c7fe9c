"""How much of hourly traffic the hour of the day, or of the week, explains.

The profile is the mean count of each hour of the period. Its strength is the adjusted share of
variance that it explains (R², with the period's degrees of freedom taken off). Whether that is
more than chance is judged by rotating every period by a random number of hours: that keeps how
traffic hangs together from hour to hour, and destroys only what is common to the periods.

Cost: O(rotations x hours).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from netra.errors import InsufficientData

DAY = 24
WEEK = 168
#: Whole periods needed before a season is claimed.
MIN_PERIODS = {DAY: 3, WEEK: 2}


@dataclass(frozen=True, kw_only=True)
class Season:
    """The profile of one period."""

    #: 24 or 168.
    period_hours: int
    #: Mean events in each hour of the period, from its first hour; shape (period,).
    profile: npt.NDArray[np.float64]
    #: Adjusted share of the variance of hourly counts that the profile explains; may be below 0.
    strength: float
    #: Share of random rotations whose profile explains as much: small means no coincidence.
    p_value: float
    #: Whole periods looked at.
    periods: int
    rotations: int
    #: The busiest hour's mean over the mean of all hours.
    peak_to_mean: float


def season(
    hourly: npt.NDArray[np.floating],
    period_hours: int,
    *,
    first_hour: int = 0,
    seed: int,
    rotations: int = 199,
) -> Season:
    """The season of hourly counts.

    Args:
        hourly: events in each whole hour, in order, shape (hours,).
        period_hours: 24 or 168.
        first_hour: where in the period the first count stands, e.g. 5 for 05:00.

    Raises:
        InsufficientData: fewer whole periods than `MIN_PERIODS`, or no traffic at all.
    """
    periods = len(hourly) // period_hours
    least = MIN_PERIODS[period_hours]
    if periods < least:
        unit = "days" if period_hours == DAY else "weeks"
        need = f"at least {least} whole {unit} of traffic, there are {periods}"
        raise InsufficientData("too short for a season", needs=[need])
    counts = np.asarray(hourly[: periods * period_hours], dtype=np.float64)
    grid = counts.reshape(periods, period_hours)
    if not counts.any():
        raise InsufficientData("no traffic in the whole periods", needs=["traffic"])
    strength = _strength(grid)
    rng = np.random.default_rng(seed)
    as_strong = 0
    for _ in range(rotations):
        by = rng.integers(0, period_hours, periods)
        turned = (np.arange(period_hours)[None, :] + by[:, None]) % period_hours
        as_strong += _strength(np.take_along_axis(grid, turned, axis=1)) >= strength
    profile = np.roll(grid.mean(axis=0), first_hour % period_hours)
    return Season(
        period_hours=period_hours,
        profile=profile,
        strength=strength,
        p_value=(as_strong + 1) / (rotations + 1),
        periods=periods,
        rotations=rotations,
        peak_to_mean=float(profile.max() / profile.mean()),
    )


def _strength(grid: npt.NDArray[np.float64]) -> float:
    """Adjusted R² of the column means; shape (periods, period)."""
    periods, period = grid.shape
    total = float(np.sum((grid - grid.mean()) ** 2)) / (grid.size - 1)
    if total == 0:
        return 0.0
    left = float(np.sum((grid - grid.mean(axis=0)) ** 2)) / (period * (periods - 1))
    return 1 - left / total
