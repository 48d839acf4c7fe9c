"""What the report says of a fleet: the finding, its figures and tables; its charts beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netra.agents.capacity_planning.charts import (
    front_chart,
    load_chart,
    occupancy_chart,
    replicas_chart,
    schedule_chart,
)
from netra.agents.capacity_planning.findings import COLUMNS, Findings, fleet_words, short_name
from netra.agents.capacity_planning.fleets import limit_name
from netra.agents.capacity_planning.sizing import Schedule
from netra.analysis.serving.search.evaluation import Evaluation
from netra.analysis.serving.simulator import Occupancy
from netra.reports.formatting import format_value
from netra.schemas.figure import Figure
from netra.schemas.report import Section

#: From here on a miss is told as a factor: nobody reads a million per cent.
_TIMES = 10.0
_NAMES = {"ttft": "time to first token", "tpot": "time per output token", "latency": "latency"}


def chosen_section(
    of: Findings, schedule: Schedule, occupancy: Occupancy, around: Sequence[Evaluation]
) -> Section:
    """The chapter of a fleet that holds the limits."""
    assert of.found.cheapest is not None
    return Section(
        id="capacity",
        title="Serving capacity",
        says=_says(of, of.found.cheapest),
        figures=tuple(_figures(of, of.found.cheapest)),
        tables=(_front_table(of), _price_table(of)),
        charts=(
            front_chart(of, of.found.cheapest),
            replicas_chart(of, of.found.cheapest, around),
            schedule_chart(of, of.found.cheapest, schedule),
            load_chart(of, schedule),
            occupancy_chart(of, occupancy),
        ),
    )


def infeasible_section(of: Findings) -> Section:
    """The chapter if no candidate holds the limits."""
    return Section(
        id="capacity",
        title="Serving capacity",
        says=f"No fleet that may be chosen holds the limits for {of.model}. {_nearest(of)}",
        tables=(_front_table(of), _price_table(of)),
        charts=(front_chart(of, None),) if of.found.front else (),
    )


def missed_words(missed: Mapping[str, Any]) -> str:
    """`ttft p95 is 820 ms, 30% over 630 ms (the limit of 700 ms less the margin)`."""
    name = missed["limit"].removesuffix("_ms").replace("_", " ")
    limit, tight = missed["limit_ms"], missed["less_margin_ms"]
    said = f"{name} is {format_value(missed['value_ms'], 'ms')}, "
    times = missed["value_ms"] / limit
    if times >= _TIMES:
        return said + f"{times:,.0f} times the limit of {format_value(limit, 'ms')}"
    if limit == tight:
        return said + f"{missed['over']:.0%} over the limit of {format_value(limit, 'ms')}"
    return said + (
        f"{missed['over']:.0%} over {format_value(tight, 'ms')}"
        f" (the limit of {format_value(limit, 'ms')} less the margin)"
    )


def _nearest(of: Findings) -> str:
    closest = of.content.get("closest")
    if not closest:
        return "No candidate is within the GPUs that are allowed."
    missed = [missed_words(m) for m in of.content["binding"]]
    usd = format_value(closest["cost_usd_per_hour"], "USD/h")
    return f"The closest is {fleet_words(closest)} at {usd}: its {'; its '.join(missed)}."


def _says(of: Findings, best: Evaluation) -> str:
    content = of.content
    usd = format_value(best.candidate.usd_per_hour, "USD/h")
    held = ", ".join(
        f"{short_name(limit)} {format_value(1e3 * value, 'ms')}"
        f" of {format_value(1e3 * limit.seconds, 'ms')}"
        for limit, value in zip(of.limits, best.values, strict=True)
    )
    said = (
        f"{fleet_words(content['fleet'])} hold{'s' if best.candidate.replicas == 1 else ''}"
        f" the limits for {of.model} at {usd} ({held}; {of.margin:.0%} of each limit is kept free)."
    )
    said += f" {_how_sure(content)}"
    backtest = content["backtest"]
    if backtest["status"] == "ok":
        verdict = "holds" if backtest["holds_without_margin"] else "misses"
        said += (
            f" The fleet chosen on the first {backtest['fit_share']:.0%} of the time"
            f" ({fleet_words(backtest['fleet'])}) {verdict} the limits on the rest."
        )
    return said


def _how_sure(content: Mapping[str, Any]) -> str:
    band, intervals = content["step_time_band"], content["intervals"]
    ends = _range_words(band["fast"]["replicas"], band["slow"]["replicas"])
    said = f"If steps take {band['deviation']:.0%} less or more than predicted, {ends}"
    if intervals["status"] == "ok":
        ends = _range_words(*intervals["replicas"])
        said += f"; on resampled traces, {ends} ({intervals['level']:.0%} of draws)"
    return said + "."


def _range_words(low: int | None, high: int | None) -> str:
    """`3 to 6 replicas are needed`."""
    if low is None:
        return "no number of replicas that was tried is enough"
    if high is None:
        return f"{low} replicas are needed, or more than were tried"
    if low == high:
        return f"it stays at {low}" if low > 1 else "1 replica is enough"
    return f"{low} to {high} replicas are needed"


def _figures(of: Findings, best: Evaluation) -> list[Figure]:
    n = len(of.requests.trace)
    intervals = of.content["intervals"].get("percentiles", {})
    method = of.method
    figures = [
        Figure(
            label="Cost of the fleet",
            value=best.candidate.usd_per_hour,
            unit="USD/h",
            n=n,
            method=f"replicas x GPUs x price; cheapest of {of.found.candidates:,} fleets: {method}",
            source=of.sourced.source(COLUMNS),
        )
    ]
    for limit, value in zip(of.limits, best.values, strict=True):
        ends = intervals.get(limit_name(limit))
        figures.append(
            Figure(
                label=f"p{100 * limit.q:g} {_NAMES[limit.metric]}",
                value=1e3 * value,
                unit="ms",
                interval=(ends[0], ends[1]) if ends else None,
                level=of.content["intervals"].get("level", 0.9),
                n=n,
                method=method
                + (f"; interval: {of.content['intervals']['method']}" if ends else ""),
                source=of.sourced.source(COLUMNS),
            )
        )
    return figures


def _front_table(of: Findings) -> dict[str, Any]:
    names = [limit_name(limit) for limit in of.limits]
    return of.sourced.table(
        "capacity-front",
        "Fleets that nothing as cheap improves on",
        [
            ("Fleet", ""),
            ("Batch", ""),
            ("Routing", ""),
            ("Cost", "USD/h"),
            *[(n.removesuffix("_ms").replace("_", " "), "ms") for n in names],
            ("Holds", ""),
        ],
        [
            [
                fleet_words(f),
                f"{f['settings']['max_num_seqs']} seqs, "
                f"{f['settings']['max_num_batched_tokens']:,} tokens",
                f["settings"]["routing"],
                f["cost_usd_per_hour"],
                *[f["percentiles"][n] for n in names],
                "yes" if f["holds"] else "no",
            ]
            for f in of.content["front"]
        ],
        n=len(of.requests.trace),
        method=of.method,
        reads=COLUMNS,
    )


def _price_table(of: Findings) -> dict[str, Any]:
    return of.sourced.table(
        "capacity-prices",
        "GPU prices that the search used",
        [("GPU", ""), ("Price", "USD/h"), ("Provider", ""), ("As of", ""), ("Source", "")],
        [
            [p["gpu"], p["usd_per_gpu_hour"], p["provider"], p["as_of"], p["source"]]
            for p in of.content["prices"]
        ],
        n=len(of.content["prices"]),
        method="the cheapest offer of each GPU; own rows and parameters go over the list",
        reads=(),
    )
