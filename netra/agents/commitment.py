"""How much capacity to commit to, at a price below the one on demand; tested on later days."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from netra.agents.base import Context, Inputs, StageResult
from netra.agents.forecasting.commitment_charts import commitment_charts
from netra.agents.forecasting.commitment_offer import METHOD, Sized, offers, size
from netra.agents.forecasting.commitment_section import Told, figures_of, recommendation, says
from netra.agents.forecasting.series import read
from netra.agents.profiling.sourced import Sourced
from netra.analysis.commitment.later_weeks import charged_later
from netra.catalog.params import CommitmentParams
from netra.errors import InsufficientData, StageCancelled
from netra.schemas.report import Section

_DAY_S = 86_400


def run(inputs: Inputs, params: CommitmentParams, context: Context) -> StageResult:
    """Sizes the total and each series for every offer, and tests it on later days.

    Raises:
        InsufficientData: no price ratio, too short a history, no demand, or no common clock.
        StageCancelled: the stage was asked to stop.
    """
    asked = offers(params)
    demand = read(inputs, params.measure, params.group_by, context)
    rates = demand.panel.rates
    if not rates.any():
        raise InsufficientData("there is no demand at all", ["a rate above 0 in some window"])
    per_day = round(_DAY_S / demand.panel.window_s)
    if per_day < 1 or abs(per_day * demand.panel.window_s - _DAY_S) > 1:
        raise InsufficientData("windows do not divide a day", ["rates in windows within a day"])
    found: list[Sized] = []
    for k, offer in enumerate(asked):
        if context.cancelled():
            raise StageCancelled
        found.append(size(rates, per_day, offer, context))
        context.progress(0.3 + 0.6 * (k + 1) / len(asked), offer.name)
    tested = [one for one in found if one.test is not None]
    told = Told(demand=demand, params=params, sourced=Sourced(inputs.workload.id))
    figures = figures_of(found, told)
    section = Section(
        id="commitment",
        title="Commitments",
        says=says(found, told),
        status="ok" if tested else "insufficient_data",
        needs=() if tested else tuple(need for one in found for need in one.needs),
        figures=tuple(figures.values()),
        tables=(_offers_table(found, told), *_series_table(rates, per_day, tested, told)),
        charts=commitment_charts(rates.sum(axis=0), tested[0], told.unit) if tested else (),
    )
    proposed = [r for r in (recommendation(one, told) for one in tested[:1]) if r is not None]
    content: dict[str, Any] = {
        "series": len(demand.names),
        "unit": demand.unit,
        "made_of": demand.made_of,
        "days": demand.hours / 24,
        "offers": [one.as_json() for one in found],
        "method": METHOD,
        "figures": {name: msgspec.to_builtins(figure) for name, figure in figures.items()},
        "section": msgspec.to_builtins(section),
        "recommendations": [msgspec.to_builtins(r) for r in proposed],
    }
    if not tested:
        content |= {"status": "insufficient_data", "needs": list(section.needs)}
    context.progress(1.0)
    return StageResult(content=content)


def _offers_table(found: list[Sized], told: Told) -> dict[str, Any]:
    rows = [
        [
            one.offer.name,
            one.offer.ratio,
            one.committed,
            None if one.test is None else one.saving,
            None if one.test is None else one.by("quantile"),
            None if one.test is None else one.by("hindsight"),
            None if one.test is None else one.by("peak"),
            "tested" if one.test is not None else "; ".join(one.needs),
        ]
        for one in found
    ]
    return told.sourced.table(
        "commitment-offers",
        "All series together: what each offer would have saved on later days",
        (
            ("term", ""),
            ("price ratio", ""),
            ("commit to", told.demand.unit),
            ("saved", "share"),
            ("saved by the plain quantile", "share"),
            ("saved by the best in hindsight", "share"),
            ("saved by sizing at the peak", "share"),
            ("status", ""),
        ),
        rows,
        n=told.demand.n,
        method=METHOD,
        reads=told.demand.columns,
    )


def _series_table(
    rates: np.ndarray, per_day: int, tested: list[Sized], told: Told
) -> list[dict[str, Any]]:
    """The largest series, each committed to on its own at the first offer."""
    if not tested or len(rates) < 2:
        return []
    first = tested[0]
    later = charged_later(rates, per_day, first.offer.ratio)
    saved = {
        name: later.saving(cost)
        for name, cost in (
            ("own", later.cost),
            ("quantile", later.cost_by_quantile),
            ("hindsight", later.cost_by_hindsight),
        )
    }
    rows = [
        [name, float(later.committed[n]), *(_known(saved[rule][n]) for rule in saved)]
        for n, name in enumerate(told.demand.names[: told.params.rows])
    ]
    table = told.sourced.table(
        "commitment-series",
        f"Series committed to one by one, at a price ratio of {first.offer.ratio:g}",
        (
            ("series", ""),
            ("committed on the first half", told.demand.unit),
            ("saved on the second half", "share"),
            ("saved by the plain quantile", "share"),
            ("saved by the best in hindsight", "share"),
        ),
        rows,
        n=told.demand.n,
        method=METHOD,
        reads=told.demand.columns,
    )
    return [table]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
