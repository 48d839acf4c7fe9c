"""The forecasters that a combination is made of.

Few constants, spread over the usual range, instead of constants fitted to each series: two weeks of
a bursty series do not carry the fit, and a combination of spread members does as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from netra.analysis.compiled import Floats
from netra.analysis.demand.level import mean_level, median_level
from netra.analysis.demand.profile import mean_profile, median_profile, scaled_profile
from netra.analysis.demand.seasonal_naive import seasonal_naive
from netra.analysis.demand.smoothing import Smoothing, log_smoothed, smoothed

#: A week of days.
WEEK = 7


@dataclass(frozen=True, kw_only=True)
class Member:
    """One way to forecast."""

    name: str
    #: Windows of history that it needs.
    needs: int
    #: (history of shape (series, windows), horizon) → shape (series, horizon).
    forecast: Callable[[Floats, int], Floats]


def members(season: int, weekly: bool = True) -> tuple[Member, ...]:
    """The members for seasons of `season` windows; the first is seasonal-naive, the one to beat.

    With `weekly` a season is a day, and some members look a week back.
    """
    found = [
        _member(f"seasonal-naive({season})", season, seasonal_naive, season),
        *_profiles(season),
        *_levels(season),
        *_smoothers(season),
    ]
    if weekly:
        week = WEEK * season
        found += [
            _member(f"seasonal-naive({week})", week, seasonal_naive, week),
            _member(f"mean-profile({week})", 2 * week, mean_profile, week, decay=0.8),
            _member(f"median-level({week})", week, _level(median_level, week), season),
        ]
    return tuple(found)


def _member(
    name: str, needs: int, function: Callable[..., Floats], season: int, **constants: float
) -> Member:
    def forecast(history: Floats, horizon: int) -> Floats:
        return function(history, season, horizon, **constants)

    return Member(name=name, needs=needs, forecast=forecast)


def _profiles(season: int) -> list[Member]:
    two = 2 * season
    return [
        *(
            _member(f"mean-profile(decay {d})", two, mean_profile, season, decay=d)
            for d in (1.0, 0.8, 0.6)
        ),
        *(
            _member(f"median-profile(decay {d})", two, median_profile, season, decay=d)
            for d in (1.0, 0.8)
        ),
        *(
            _member(f"scaled-profile(last {k})", two, scaled_profile, season, decay=0.8, recent=k)
            for k in (season, 3 * season)
        ),
    ]


def _level(function: Callable[..., Floats], recent: int) -> Callable[..., Floats]:
    def forecast(history: Floats, _: int, horizon: int) -> Floats:
        return function(history, recent, horizon)

    return forecast


def _levels(season: int) -> list[Member]:
    return [
        _member(f"mean-level({season})", season, _level(mean_level, season), season),
        _member(f"median-level({season})", season, _level(median_level, season), season),
    ]


def _smoothers(season: int) -> list[Member]:
    found: list[Member] = []
    for level in (0.05, 0.2):
        for seasonal in (0.1, 0.2):
            by = Smoothing(level=level, season=seasonal)
            name = f"(level {level}, season {seasonal})"
            for label, function in (("ets", smoothed), ("log-ets", log_smoothed)):
                found.append(
                    _member(f"{label}{name}", 2 * season, partial(function, by=by), season)
                )
    return found
