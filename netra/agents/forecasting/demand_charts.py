"""Charts of demand: what was, what is forecast, and what was forecast on past days."""

from __future__ import annotations

import numpy as np

from netra.agents.forecasting.axis import MOST_POINTS, Axis, rounded
from netra.agents.forecasting.series import Demand
from netra.analysis.demand.forecast import Forecast
from netra.catalog.params import DemandParams
from netra.schemas.report import Chart, Mark


def demand_charts(
    history: np.ndarray,
    total: Forecast,
    axis: Axis,
    demand: Demand,
    params: DemandParams,
    scored: int,
) -> tuple[Chart, ...]:
    """`history` is the total's rate by window; shape (windows,)."""
    charts = [_ahead(history, total, axis, demand, params)]
    if days := total.scored[-scored:]:
        charts.append(_past(days, total, axis, demand, params))
    return tuple(charts)


def _ahead(
    history: np.ndarray, total: Forecast, axis: Axis, demand: Demand, params: DemandParams
) -> Chart:
    windows = len(history)
    shown = list(range(max(0, windows - MOST_POINTS), windows))
    ahead = list(range(windows, windows + total.point.shape[2]))
    return Chart(
        id="demand-forecast",
        title=f"Demand so far, and the next {params.horizon_hours} h",
        kind="line",
        x_label=axis.label,
        y_label=f"demand, {demand.unit}",
        series=(
            {"name": "measured", "x": axis.at(shown), "y": rounded(history[shown])},
            {
                "name": f"forecast, {params.level:.0%} interval",
                "x": axis.at(ahead),
                "y": rounded(total.point[-1, 0]),
                "lower": rounded(total.low[-1, 0]),
                "upper": rounded(total.high[-1, 0]),
            },
        ),
        marks=(Mark(axis="x", at=axis.at([windows])[0], label="now"),),
        caption=f"All series together, means over {params.window_minutes} minutes.",
    )


def _past(
    days: list[int], total: Forecast, axis: Axis, demand: Demand, params: DemandParams
) -> Chart:
    step = min(total.point.shape[2], int(total.origins[-1] - total.origins[-2]))
    first = [int(total.origins[k]) for k in days]
    at = axis.at([w for origin in first for w in range(origin, origin + step)])

    def joined(values: np.ndarray) -> list[float]:
        return rounded(np.concatenate([values[k, 0, :step] for k in days]))

    return Chart(
        id="demand-backtest",
        title=f"The last {len(days)} days, each forecast from the days before it",
        kind="line",
        x_label=axis.label,
        y_label=f"demand, {demand.unit}",
        series=(
            {"name": "measured", "x": at, "y": joined(total.actual)},
            {
                "name": f"forecast, {params.level:.0%} interval",
                "x": at,
                "y": joined(total.point),
                "lower": joined(total.low),
                "upper": joined(total.high),
            },
            {"name": "seasonal-naive", "x": at, "y": joined(total.naive), "style": "dashed"},
        ),
        marks=tuple(Mark(axis="x", at=axis.at([w])[0], label="") for w in first[1:]),
        caption="Each forecast was made with nothing of its own day, nor of those after it.",
    )
