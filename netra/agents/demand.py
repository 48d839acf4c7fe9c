"""Forecasts of demand, per series and in total, with intervals that past days have tested."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from netra.agents.base import Context, Inputs, StageResult
from netra.agents.forecasting.axis import Axis
from netra.agents.forecasting.demand_charts import demand_charts
from netra.agents.forecasting.demand_figures import METHOD, Scores, demand_figures, score
from netra.agents.forecasting.series import Demand, read
from netra.agents.profiling.sourced import Sourced
from netra.analysis.demand.forecast import MOST_ORIGINS, Forecast, forecast
from netra.catalog.params import DemandParams
from netra.errors import InsufficientData, StageCancelled
from netra.reports.formatting import format_share
from netra.schemas.report import Section

#: The weekly season can be tested from this many days on.
_WEEKLY_DAYS = 21
#: Past days on which the forecast is scored and shown.
SCORED = 4


def run(inputs: Inputs, params: DemandParams, context: Context) -> StageResult:
    """Reads, forecasts, scores.

    Raises:
        InsufficientData: too short a history, no demand, or no common clock.
        StageCancelled: the stage was asked to stop.
    """
    demand = read(inputs, params.measure, params.group_by, context)
    rates = demand.panel.coarser(params.window_minutes * 60.0)
    per_hour = 60 // params.window_minutes if params.window_minutes <= 60 else None
    season = params.season_hours * 60 // params.window_minutes
    horizon = -(-params.horizon_hours * 60 // params.window_minutes)
    _check_length(rates.rates.shape[1], season, horizon, params)

    def advance(part: float) -> None:
        if context.cancelled():
            raise StageCancelled
        context.progress(0.2 + 0.7 * part, "forecasting from past origins")

    weekly = params.season_hours == 24 and per_hour is not None
    series, total = forecast(
        rates.rates, season, horizon, params.level, weekly=weekly, advance=advance
    )
    sourced = Sourced(inputs.workload.id)
    scores = score(total, params.level, SCORED), score(series, params.level, SCORED)
    figures = demand_figures(demand, total, scores, params, sourced)
    axis = Axis(start_s=rates.start_s, window_s=rates.window_s, anchored=inputs.workload.anchored)
    section = Section(
        id="demand",
        title="Demand",
        says=_says(demand, total, scores[0], params, inputs.workload.anchored),
        figures=tuple(figures.values()),
        tables=(_table(demand, series, params, sourced),),
        charts=demand_charts(rates.rates.sum(axis=0), total, axis, demand, params, SCORED),
    )
    content: dict[str, Any] = {
        "series": len(demand.names),
        "unit": demand.unit,
        "made_of": demand.made_of,
        "window_s": rates.window_s,
        "horizon_windows": horizon,
        "level": params.level,
        "anchored": inputs.workload.anchored,
        "filled_share": demand.filled,
        "weekly_season": _weekly(demand.hours / 24),
        "forecast": _forecast(total, series, demand, axis, params.rows),
        "chosen": dict(zip(("(total)", *demand.names), _models(total, series), strict=True)),
        "backtest": {"total": scores[0].as_json(), "series": scores[1].as_json()},
        "method": METHOD,
        "figures": {name: msgspec.to_builtins(figure) for name, figure in figures.items()},
        "section": msgspec.to_builtins(section),
    }
    context.progress(1.0)
    return StageResult(content=content)


def _check_length(windows: int, season: int, horizon: int, params: DemandParams) -> None:
    needed = 3 * season + max(season, horizon)
    if windows < needed:
        days = windows * params.window_minutes / 1440
        raise InsufficientData(
            f"{days:.1f} days of history are too few for a season of {params.season_hours} h",
            [
                f"{needed * params.window_minutes / 1440:.1f} days of history (three seasons and"
                f" one to test on), there are {days:.1f}"
            ],
        )


def _weekly(days: float) -> dict[str, Any]:
    """Whether a weekly season could be tested."""
    if days >= _WEEKLY_DAYS:
        return {"status": "ok"}
    return {
        "status": "insufficient_data",
        "needs": [f"{_WEEKLY_DAYS} days of history to test a weekly season, there are {days:.1f}"],
    }


def _models(total: Forecast, series: Forecast) -> list[str]:
    naive = total.member_names[0]
    chosen = [*total.is_combined[-1].tolist(), *series.is_combined[-1].tolist()]
    return ["combination" if combined else naive for combined in chosen]


def _forecast(
    total: Forecast, series: Forecast, demand: Demand, axis: Axis, rows: int
) -> dict[str, Any]:
    first = int(total.origins[-1])
    ahead = list(range(first, first + total.point.shape[2]))

    def one(found: Forecast, n: int) -> dict[str, Any]:
        parts = {"point": found.point, "low": found.low, "high": found.high}
        return {
            name: [float(f"{v:.6g}") for v in values[-1, n].tolist()]
            for name, values in parts.items()
        }

    return {
        "at": axis.at(ahead),
        "total": one(total, 0),
        "series": {name: one(series, n) for n, name in enumerate(demand.names[:rows])},
    }


def _table(
    demand: Demand, series: Forecast, params: DemandParams, sourced: Sourced
) -> dict[str, Any]:
    own, naive, actual = series.past
    safe = np.where(actual > 0, actual, np.nan)
    rows = [
        [
            name,
            float(demand.panel.rates[n].mean()),
            float(series.point[-1, n].mean()),
            "combined" if series.is_combined[-1, n] else "naive",
            _known(own[n] / safe[n]),
            _known(naive[n] / safe[n]),
        ]
        for n, name in enumerate(demand.names[: params.rows])
    ]
    return sourced.table(
        "demand-series",
        "The largest series",
        (
            ("series", ""),
            ("so far", demand.unit),
            (f"next {params.horizon_hours} h", demand.unit),
            ("chosen", ""),
            ("WAPE", "share"),
            ("naive WAPE", "share"),
        ),
        rows,
        n=demand.n,
        method="means; errors (WAPE) of the combination and of seasonal-naive on all past days that"
        f" were tried (up to {MOST_ORIGINS}), by which one was chosen; the figures' errors are of"
        f" the last {SCORED} days, the choice made anew on each: {METHOD}",
        reads=demand.columns,
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _says(
    demand: Demand, total: Forecast, scores: Scores, params: DemandParams, anchored: bool
) -> str:
    mean = float(total.point[-1, 0].mean())
    text = (
        f"Over the next {params.horizon_hours} h demand is forecast at {mean:,.4g}"
        f" {demand.unit} on average; the {params.level:.0%} intervals of its windows reach from"
        f" {float(total.low[-1, 0].mean()):,.4g} to {float(total.high[-1, 0].mean()):,.4g} on"
        " average."
    )
    if scores.wape is not None and scores.naive_wape is not None:
        text += (
            f" On the last {scores.origins} days forecasts made in this way were off by"
            f" {format_share(scores.wape)} of"
            f" demand (repeating the day before: {format_share(scores.naive_wape)})."
        )
    if not anchored:
        text += " The times have no calendar: the daily rhythm is the series' own, from its start."
    return text
