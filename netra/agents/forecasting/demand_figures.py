"""Figures of a forecast and of its backtest."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from netra.agents.forecasting.series import Demand
from netra.agents.profiling.sourced import Sourced
from netra.analysis.demand.forecast import Forecast
from netra.analysis.demand.scores import interval_scores, wape, weighted_coverage
from netra.catalog.params import DemandParams
from netra.schemas.figure import Figure

METHOD = (
    "weighted median of seasonal-naive, profiles, levels and exponential smoothing, weights by"
    " inverse squared error at past origins; replaces seasonal-naive only where it won there; the"
    " total is the mean of its own combination and the sum of the series'; conformal intervals"
    " from residuals at past origins, their level calibrated on the latest of them"
)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The forecasts of the last days, each from what lay before it."""

    origins: int
    values: int
    wape: float | None
    naive_wape: float | None
    #: Interval score / that of seasonal-naive with intervals made in the same way.
    interval_score_ratio: float | None
    coverage: float | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def score(found: Forecast, level: float, origins: int) -> Scores:
    """Of the last `origins` that can be compared with what came; series weigh by volume."""
    days = found.scored[-origins:]
    actual = found.actual[days]
    own = interval_scores(actual, found.low[days], found.high[days], level).sum()
    naive = interval_scores(actual, found.naive_low[days], found.naive_high[days], level).sum()
    return Scores(
        origins=len(days),
        values=actual.size,
        wape=wape(actual, found.point[days]),
        naive_wape=wape(actual, found.naive[days]),
        interval_score_ratio=float(own / naive) if naive > 0 else None,
        coverage=weighted_coverage(
            actual, found.low[days], found.high[days], actual.sum(axis=(0, 2))
        )
        if days
        else None,
    )


def demand_figures(
    demand: Demand,
    total: Forecast,
    scores: tuple[Scores, Scores],
    params: DemandParams,
    sourced: Sourced,
) -> dict[str, Figure]:
    """What comes next, and how far such forecasts were off."""
    of_total, of_series = scores
    peak = int(total.point[-1, 0].argmax())
    ahead = Figure(
        label=f"Highest hour of the next {params.horizon_hours} h",
        value=float(total.point[-1, 0, peak]),
        unit=demand.unit,
        interval=(float(total.low[-1, 0, peak]), float(total.high[-1, 0, peak])),
        level=params.level,
        n=demand.n,
        method=METHOD,
        source=sourced.source(demand.columns),
    )
    label = f"on the last {of_total.origins} days"
    found = {"peak_ahead": ahead}
    for name, text, value, n in (
        ("wape", f"Error of the total {label} (WAPE)", of_total.wape, of_total.values),
        ("naive_wape", f"Seasonal-naive's error {label}", of_total.naive_wape, of_total.values),
        ("series_wape", f"Error of the series {label} (WAPE)", of_series.wape, of_series.values),
        (
            "series_coverage",
            f"Values within the {params.level:.0%} intervals {label}",
            of_series.coverage,
            of_series.values,
        ),
    ):
        method = (
            "rolling origins a season apart, each forecast from what lay before it, combination or"
            " seasonal-naive chosen anew at each: the error of the procedure, not of the model"
            " chosen last; sum of absolute errors / sum of actuals (coverage: share of values,"
            " series weighted by volume)"
        )
        if value is None:
            need = "past days after the first four, with demand in them"
            found[name] = sourced.missing(text, "share", [need], *demand.columns)
        else:
            found[name] = sourced.exact(text, value, "share", n, method, *demand.columns)
    return found
