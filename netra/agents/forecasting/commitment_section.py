"""What the report says of commitments: figures, the finding, and what to do."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from netra.agents.forecasting.commitment_offer import LATER, METHOD, Sized
from netra.agents.forecasting.series import Demand
from netra.agents.profiling.sourced import LEVEL, Sourced
from netra.catalog.params import CommitmentParams
from netra.reports.formatting import format_share
from netra.schemas.figure import Figure
from netra.schemas.report import Change, Recommendation

_HOURS_PER_DAY = 24.0


@dataclass(frozen=True, kw_only=True)
class Told:
    """What every sentence and figure needs."""

    demand: Demand
    params: CommitmentParams
    sourced: Sourced

    @property
    def unit(self) -> str:
        return self.demand.unit

    def units(self, level: float) -> float | None:
        """A level in units of capacity."""
        per_unit = self.params.unit_throughput
        return None if per_unit is None else level / per_unit

    @property
    def usd_per_day(self) -> float | None:
        """What a day of one unit of demand costs on demand."""
        price, per_unit = self.params.on_demand_usd_per_unit_hour, self.params.unit_throughput
        if price is None or per_unit is None:
            return None
        return price / per_unit * _HOURS_PER_DAY


def figures_of(found: list[Sized], told: Told) -> dict[str, Figure]:
    """Level and saving of each offer; what could not be tested says why."""
    figures: dict[str, Figure] = {}
    for i, one in enumerate(found):
        name = f"{one.offer.name} at {one.offer.ratio:g}"
        label = f"Commit to (for {name} of the price on demand)"
        if one.committed is None:
            figures[f"committed_{i}"] = told.sourced.missing(
                label, told.unit, one.needs, *told.demand.columns
            )
            continue
        figures[f"committed_{i}"] = _figure(label, one.committed, told.unit, METHOD, told)
        if (units := told.units(one.committed)) is not None:
            figures[f"units_{i}"] = _figure(
                f"Whole units, {name}",
                float(math.floor(units)),
                "units",
                f"{METHOD}; one unit serves {told.params.unit_throughput:g} {told.unit} (given);"
                " rounded down",
                told,
            )
        if one.saving is not None:
            figures[f"saving_{i}"] = _figure(
                f"Saved on later days, {name}",
                one.saving,
                "share",
                LATER,
                told,
                (one.interval.low, one.interval.high) if one.interval else None,
                n=one.test.windows if one.test else None,
            )
        if one.test is not None:
            figures[f"tested_{i}"] = _figure(
                f"Level that the saving was tested with, {name}",
                float(one.test.committed[0]),
                told.unit,
                f"sized on the first half of the days only; {METHOD}",
                told,
                n=one.test.cut,
            )
        if one.regret is not None:
            figures[f"regret_{i}"] = _figure(
                f"Mean regret of the series on their own, {name} (by the plain quantile:"
                f" {one.quantile_regret:.4f})",
                one.regret,
                "share of the cost on demand",
                "sized on the first half of the days: (cost - cost of the best level in hindsight)"
                " in the second half / mean cost on demand of both; mean over the series",
                told,
            )
    return figures


def _figure(
    label: str,
    value: float,
    unit: str,
    method: str,
    told: Told,
    interval: tuple[float, float] | None = None,
    n: int | None = None,
) -> Figure:
    return Figure(
        label=label,
        value=value,
        unit=unit,
        interval=interval,
        level=LEVEL,
        n=told.demand.n if n is None else n,
        method=method,
        source=told.sourced.source(told.demand.columns),
    )


def says(found: list[Sized], told: Told) -> str:
    """The finding of the first offer that could be tested, and which could not be."""
    text: list[str] = []
    for one in [one for one in found if one.committed is not None][:1]:
        held = (
            f"between {format_share(one.interval.low)} and"
            f" {format_share(one.interval.high)} by resampled days; "
            if one.interval
            else ""
        )
        text.append(
            f"At {one.offer.ratio:.0%} of the price on demand, commit to {one.committed:,.4g}"
            f" {told.unit}. Sized so on the first half of the days, it would have saved"
            f" {format_share(one.saving)} on the second half ({held}the plain quantile"
            f" {format_share(one.by('quantile'))}, the best in hindsight"
            f" {format_share(one.by('hindsight'))},"
            f" sizing at the peak {format_share(one.by('peak'))})."
        )
    missing = [one for one in found if one.committed is None]
    if missing:
        names = ", ".join(one.offer.name for one in missing)
        text.append(f"The history cannot test {names}: {'; '.join(missing[0].needs)}.")
    return " ".join(text)


def recommendation(one: Sized, told: Told) -> Recommendation | None:
    """To buy it, where prices are given and it saved on days that it had not seen."""
    usd, units = told.usd_per_day, told.units(one.committed or 0.0)
    if usd is None or units is None or one.test is None or one.interval is None:
        return None
    if one.saving is None or one.interval.low <= 0 or math.floor(units) < 1:
        return None
    on_demand, cost = float(one.test.on_demand[0]) * usd, float(one.test.cost[0]) * usd
    share = (one.interval.low, one.interval.high)
    priced = (
        f"{LATER}; {told.params.on_demand_usd_per_unit_hour:g} USD per unit and hour on demand and"
        f" {told.params.unit_throughput:g} {told.unit} per unit, as given; fractions of units paid"
        " as such"
    )
    whole = math.floor(units)
    return Recommendation(
        id="commitment",
        lever="commitment",
        title=f"Commit to {whole:,} units at {one.offer.ratio:.0%} of the price on demand",
        baseline=_figure("All on demand, a day", on_demand, "USD/day", priced, told),
        projected=_figure("With the commitment, a day", cost, "USD/day", priced, told),
        saving=_figure(
            "Saved a day",
            on_demand - cost,
            "USD/day",
            priced,
            told,
            (share[0] * on_demand, share[1] * on_demand),
        ),
        backtest=_figure(
            "Saved on later days", one.saving, "share", LATER, told, share, n=one.test.windows
        ),
        evidence=(_figure("Level to commit to", one.committed or 0.0, told.unit, METHOD, told),),
        change=Change(
            kind="json",
            content=json.dumps(
                {
                    "commitment": {
                        "units": whole,
                        "level": one.committed,
                        "level_unit": told.unit,
                        "price_ratio": one.offer.ratio,
                        "term": one.offer.name,
                    }
                },
                indent=2,
            ),
        ),
        rollback="None before the term ends: a commitment is paid whether it is used or not.",
        risk=f"Loses where less than {one.offer.ratio:.0%} of it is used over the term.",
        effort="A purchase; no change of code.",
    )
