"""When traffic comes: its trend, its daily and weekly season, and what a day costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from netra.agents.profiling.sourced import LEVEL, Sourced
from netra.agents.profiling.timeline import LIST_COST, REQUESTS
from netra.analysis.bootstrap import block_bootstrap, ratio
from netra.analysis.hourly import HourlySums, Series
from netra.analysis.seasonality import DAY, WEEK, Season, season
from netra.analysis.trend import daily_trend
from netra.errors import InsufficientData
from netra.schemas.figure import Figure, missing
from netra.schemas.report import Chart

#: What an unanchored trace lacks.
NEEDS_ANCHOR = "absolute times: ingest with --start, or a trace with calendar timestamps"
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
#: Points of a line over time; beyond it hours are added up into days.
_MAX_POINTS = 800


@dataclass(frozen=True)
class Rhythm:
    """What a workload's calendar shows."""

    figures: dict[str, Figure]
    charts: list[Chart]


def rhythm(
    hourly: HourlySums,
    anchored: bool,
    cost_lacks: Sequence[str],
    sourced: Sourced,
    *,
    xp: Any,
    seed: int,
) -> Rhythm:
    """Trend, seasons and cost a day; each refuses on its own when there is too little.

    Args:
        cost_lacks: what the workload lacks for a cost at list prices; empty: nothing.
    """
    if not anchored:
        unanchored = {
            name: sourced.missing(label, unit, [NEEDS_ANCHOR], "ts")
            for name, label, unit in (
                ("trend_requests", "Trend of requests", "requests/day per day"),
                ("growth_per_week", "Growth of requests a week", "share/week"),
                ("season_daily", "Daily season", "share"),
                ("season_weekly", "Weekly season", "share"),
            )
        }
        return Rhythm(unanchored, [])
    figures: dict[str, Figure] = {}
    charts = _traffic_chart(hourly)
    days = hourly.whole_days()
    figures["trend_requests"] = _trend(days, REQUESTS, "requests", sourced)
    figures["growth_per_week"] = _growth(figures["trend_requests"], days)
    figures["cost_per_day"] = _cost_per_day(days, cost_lacks, sourced, xp=xp, seed=seed)
    if not cost_lacks:
        figures["trend_cost"] = _trend(days, LIST_COST, "USD", sourced)
    hours = hourly.whole_hours()
    for name, period in (("daily", DAY), ("weekly", WEEK)):
        of_period, found = _season(hours, name, period, sourced, seed)
        figures |= of_period
        if found is not None:
            charts.append(_season_chart(name, found))
    return Rhythm(figures, charts)


def _trend(days: Series | None, row: int, unit: str, sourced: Sourced) -> Figure:
    label = f"Trend of {'cost' if unit == 'USD' else unit}"
    unit = f"{unit}/day per day"
    columns = ["ts"] if row == REQUESTS else ["ts", "model", "input_tokens", "output_tokens"]
    values = days.sums[row] if days is not None else np.empty(0)
    try:
        found = daily_trend(values, LEVEL)
    except InsufficientData as e:
        return sourced.missing(label, unit, e.needs, *columns)
    within = "days of the same weekday" if found.within_weekdays else "all pairs of days"
    note = "" if found.within_weekdays else "; a weekly season is not told apart from a trend"
    return Figure(
        label=label,
        value=found.slope,
        unit=unit,
        interval=(found.low, found.high),
        level=LEVEL,
        n=found.days,
        method=f"Theil-Sen slope of whole UTC days over {within}, Sen's interval{note}",
        source=sourced.source(columns),
    )


def _growth(trend: Figure, days: Series | None) -> Figure:
    """The trend of requests as a share of the median day, a week."""
    label = "Growth of requests a week"
    if trend.value is None or trend.interval is None or days is None:
        return msgspec.structs.replace(trend, label=label, unit="share/week")
    median = float(np.median(days.sums[REQUESTS]))
    if not median:
        return missing("traffic on most days", unit="share/week", source=trend.source, label=label)
    weekly = WEEK / DAY / median
    low, high = trend.interval
    return msgspec.structs.replace(
        trend,
        label=label,
        value=trend.value * weekly,
        interval=(low * weekly, high * weekly),
        unit="share/week",
        method=f"{trend.method}; seven times the slope over the median day",
    )


def _cost_per_day(
    days: Series | None, cost_lacks: Sequence[str], sourced: Sourced, *, xp: Any, seed: int
) -> Figure:
    label, columns = "Cost a day at list prices", ("ts", "model", "input_tokens", "output_tokens")
    if cost_lacks:
        return sourced.missing(label, "USD/day", cost_lacks, *columns)
    sums = days.sums[LIST_COST] if days is not None else np.empty(0)
    try:
        found = block_bootstrap(
            np.stack([sums, np.ones(len(sums))]), ratio, xp=xp, seed=seed, level=LEVEL
        )
    except InsufficientData:
        need = f"at least 10 whole UTC days with traffic, there are {len(sums)}"
        return sourced.missing(label, "USD/day", [need], *columns)
    return Figure(
        label=label,
        value=found.estimate,
        unit="USD/day",
        interval=(found.low, found.high),
        level=LEVEL,
        n=found.blocks,
        method=f"mean of whole UTC days; block bootstrap over days, {found.resamples} resamples,"
        f" seed {seed}",
        source=sourced.source(columns),
    )


def _season(
    hours: Series | None, name: str, period: int, sourced: Sourced, seed: int
) -> tuple[dict[str, Figure], Season | None]:
    label = f"{name.capitalize()} season: share of the variance of hourly requests"
    series = hours.sums[REQUESTS] if hours is not None else np.empty(0)
    first = hours.hour_of_week % period if hours is not None else 0
    try:
        found = season(series, period, first_hour=first, seed=seed)
    except InsufficientData as e:
        return {f"season_{name}": sourced.missing(label, "share", e.needs, "ts")}, None
    what = "hour of the day" if period == DAY else "hour of the week"
    strength = Figure(
        label=label,
        value=found.strength,
        unit="share",
        level=LEVEL,
        n=found.periods * period,
        method=f"adjusted R² of hourly counts by {what} over {found.periods} whole"
        f" {'days' if period == DAY else 'weeks'}; {found.rotations} random rotations:"
        f" p = {found.p_value:.3g}",
        source=sourced.source(["ts"]),
    )
    peak = sourced.exact(
        f"Busiest {what} over the mean hour",
        found.peak_to_mean,
        "ratio",
        found.periods * period,
        f"mean requests in the busiest {what} (UTC) / mean requests an hour",
        "ts",
    )
    return {f"season_{name}": strength, f"peak_{name}": peak}, found


def _season_chart(name: str, found: Season) -> Chart:
    busiest = int(np.argmax(found.profile))
    if found.period_hours == DAY:
        return Chart(
            id="season_daily",
            title="Requests by hour of the day",
            kind="bar",
            x_label="hour of the day, UTC",
            y_label="mean requests an hour",
            series=({"name": "mean", "x": list(range(DAY)), "y": _rounded(found.profile)},),
            caption=f"The busiest hour is {busiest:02d}:00 UTC.",
        )
    grid = found.profile.reshape(7, DAY)
    return Chart(
        id="season_weekly",
        title="Requests by hour of the week",
        kind="heatmap",
        x_label="hour of the day, UTC",
        y_label="mean requests an hour",
        series=(
            {"x": list(range(DAY)), "y": list(_WEEKDAYS), "z": [_rounded(row) for row in grid]},
        ),
        caption=f"The busiest hour is {_WEEKDAYS[busiest // DAY]} {busiest % DAY:02d}:00 UTC.",
    )


def _rounded(values: np.ndarray) -> list[float]:
    return [round(v, 3) for v in values.tolist()]


def _traffic_chart(hourly: HourlySums) -> list[Chart]:
    """Requests over time: by the hour, or by the day where hours are too many to draw."""
    choices: tuple[tuple[str, Callable[[], Series | None], int], ...] = (
        ("hour", hourly.whole_hours, 3_600),
        ("day", hourly.whole_days, 86_400),
    )
    for unit, read, seconds in choices:
        series = read()
        if series is None or series.sums.shape[1] < 3:
            return []
        if series.sums.shape[1] > _MAX_POINTS:
            continue
        counts = series.sums[REQUESTS]
        starts = (np.arange(len(counts)) + series.first) * seconds
        return [
            Chart(
                id="requests_over_time",
                title=f"Requests each {unit}",
                kind="line",
                x_label="time, UTC",
                y_label="requests",
                series=({"name": "requests", "x": _iso(starts), "y": counts.tolist()},),
                caption=f"Between {counts.min():,.0f} and {counts.max():,.0f} requests"
                f" each whole {unit}.",
            )
        ]
    return []


def _iso(seconds: np.ndarray) -> list[str]:
    return [f"{t}Z" for t in seconds.astype("datetime64[s]").astype(str).tolist()]
