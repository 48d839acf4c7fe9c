"""Parameters of the agents of demand and commitment."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from netra.catalog.params.base import Params
from netra.errors import InvalidInput, Problem

#: What of an event workload may be counted as demand.
Measure = Literal["requests", "input_tokens", "output_tokens", "tokens"]
#: By what the events of a workload may be divided into series.
GroupBy = Literal[
    "none", "provider", "model", "app", "feature", "environment", "operation", "tool_name"
]

_Ratio = Annotated[float, Meta(gt=0, lt=1)]


class DemandParams(Params, frozen=True, kw_only=True):
    #: Of an event workload: what counts as demand.
    measure: Measure = "requests"
    #: Of an event workload: which events make one series.
    group_by: GroupBy = "model"
    #: How far ahead, hours.
    horizon_hours: Annotated[int, Meta(ge=1, le=336)] = 24
    #: The share of times that an interval is to cover.
    level: Annotated[float, Meta(ge=0.5, le=0.99)] = 0.8
    #: The season, hours: a day.
    season_hours: Annotated[int, Meta(ge=2, le=168)] = 24
    #: The length of the windows that are forecast, minutes.
    window_minutes: Annotated[int, Meta(ge=1, le=1440)] = 60
    #: Series that the tables name; the others are forecast too.
    rows: Annotated[int, Meta(ge=1, le=100)] = 20

    def check(self, where: str) -> None:
        if (self.season_hours * 60) % self.window_minutes:
            problem = "a season must be whole windows"
            got = f"{self.season_hours} h in windows of {self.window_minutes} min"
            raise InvalidInput(
                problem, [Problem(where=f"{where}.window_minutes", problem=problem, got=got)]
            )


class CommitmentParams(Params, frozen=True, kw_only=True):
    #: Of an event workload: what counts as demand.
    measure: Measure = "requests"
    #: Of an event workload: which events make one series.
    group_by: GroupBy = "model"
    #: Price of a committed unit / price of the same on demand; several: one answer for each.
    price_ratio: Annotated[tuple[_Ratio, ...], Meta(max_length=20)] | _Ratio | None = None
    #: Terms on offer, `NAME:DAYS:PRICE RATIO`, e.g. `1 month:30:0.8`.
    terms: Annotated[tuple[str, ...], Meta(max_length=20)] | str = ()
    #: What one unit (a PTU, a GPU, a replica) serves of the demand, per second.
    unit_throughput: Annotated[float, Meta(gt=0)] | None = None
    #: What one unit costs on demand, USD per hour.
    on_demand_usd_per_unit_hour: Annotated[float, Meta(gt=0)] | None = None
    #: Series that the tables name.
    rows: Annotated[int, Meta(ge=1, le=100)] = 20

    def check(self, where: str) -> None:
        for text in self.given_terms():
            parse_term(text, where)

    def given_terms(self) -> tuple[str, ...]:
        return (self.terms,) if isinstance(self.terms, str) else self.terms

    def ratios(self) -> tuple[float, ...]:
        given = self.price_ratio
        if given is None:
            return ()
        return given if isinstance(given, tuple) else (float(given),)


def parse_term(text: str, where: str = "params") -> tuple[str, float, float]:
    """Name, days and price ratio of a term.

    Raises:
        InvalidInput: it is not written so.
    """
    parts = text.rsplit(":", 2)
    try:
        name, days, ratio = parts[0].strip(), float(parts[1]), float(parts[2])
    except (IndexError, ValueError):
        name, days, ratio = "", 0.0, 0.0
    if not (name and days > 0 and 0 < ratio < 1):
        raise InvalidInput(
            f"the term {text!r} is not understood",
            [
                Problem(
                    where=f"{where}.terms",
                    problem="not a term",
                    got=text,
                    expected="NAME:DAYS:PRICE RATIO, e.g. 1 month:30:0.8",
                )
            ],
        )
    return name, days, ratio
