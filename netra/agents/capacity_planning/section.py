"""What the report says of a fleet: the finding, its figures, a capacity planner's charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from netra.agents.capacity_planning.fleets import limit_name
from netra.agents.capacity_planning.requests import Requests
from netra.agents.capacity_planning.sizing import Schedule
from netra.agents.profiling.sourced import Sourced
from netra.analysis.serving.search.evaluation import Evaluation
from netra.analysis.serving.search.fleet_search import Found
from netra.analysis.serving.search.limits import Limit
from netra.analysis.serving.search.replica_schedule import WindowNeed
from netra.analysis.serving.simulator import Occupancy
from netra.reports.formatting import format_value
from netra.schemas.figure import Figure
from netra.schemas.report import Chart, Mark, Section

COLUMNS = ("ts", "input_tokens", "output_tokens")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Points of a line over time.
_POINTS = 240
#: Fleets that use more than this share of a limit are left out of a chart.
_DROWNING = 5.0
#: From here on a miss is told as a factor: nobody reads a million per cent.
_TIMES = 10.0
_NAMES = {"ttft": "time to first token", "tpot": "time per output token", "latency": "latency"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """What the section is made of."""

    requests: Requests
    #: Without the margin, and with it.
    limits: Sequence[Limit]
    tightened: Sequence[Limit]
    margin: float
    model: str
    found: Found
    content: Mapping[str, Any]
    sourced: Sourced
    method: str


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
            _front_chart(of, of.found.cheapest),
            _replicas_chart(of, of.found.cheapest, around),
            _schedule_chart(of, of.found.cheapest, schedule),
            _load_chart(of, schedule),
            _occupancy_chart(of, occupancy),
        ),
    )


def infeasible_section(of: Findings) -> Section:
    """The chapter if no candidate holds the limits."""
    return Section(
        id="capacity",
        title="Serving capacity",
        says=f"No fleet that may be chosen holds the limits for {of.model}. {_nearest(of)}",
        tables=(_front_table(of), _price_table(of)),
        charts=(_front_chart(of, None),) if of.found.front else (),
    )


def fleet_words(fleet: Mapping[str, Any]) -> str:
    """`4 replicas of 2 x h100`."""
    replicas, per = fleet["replicas"], fleet["parallelism"]["gpus_per_replica"]
    return f"{replicas} replica{'s' if replicas != 1 else ''} of {per} x {fleet['gpu']}"


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
        f"{_short(limit)} {format_value(1e3 * value, 'ms')}"
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


def _front_chart(of: Findings, best: Evaluation | None) -> Chart:
    series: list[dict[str, Any]] = []
    for i, limit in enumerate(of.limits):
        series.append(
            {
                "name": _short(limit),
                "x": [e.candidate.usd_per_hour for e in of.found.front],
                "y": [e.values[i] / limit.seconds for e in of.found.front],
                # Between two fleets there is none: no line joins them.
                "style": "dots",
                "names": [fleet_words(f) for f in of.content["front"]],
            }
        )
    marks = [Mark(axis="y", at=1.0, label="limit")]
    if of.margin:
        marks.append(Mark(axis="y", at=1.0 - of.margin, label="limit less margin"))
    if best:
        usd = best.candidate.usd_per_hour
        marks.append(Mark(axis="x", at=usd, label=f"chosen: {format_value(usd, 'USD/h')}"))
    return Chart(
        id="capacity-front",
        title="What a dearer fleet buys",
        kind="line",
        x_label="Cost per hour (USD)",
        y_label="Share of the limit that is used (share)",
        y_scale="log",
        series=tuple(series),
        marks=tuple(marks),
        caption="Each point is a fleet that no fleet as cheap improves on; below the limit's line"
        " it holds.",
    )


def _short(limit: Limit) -> str:
    """`TTFT p95`."""
    name = limit.metric if limit.metric == "latency" else limit.metric.upper()
    return f"{name} p{100 * limit.q:g}"


def _replicas_chart(of: Findings, best: Evaluation, around: Sequence[Evaluation]) -> Chart:
    c = best.candidate.configuration
    # A fleet that drowns would leave no room in the chart for those that do not.
    shown = [e for e in around if e.stress <= _DROWNING] or around
    return Chart(
        id="capacity-replicas",
        title=f"The limits by replicas of {c.gpus} x {c.gpu}",
        kind="line",
        x_label="Replicas",
        y_label="Share of the limit that is used (share)",
        y_scale="log",
        series=tuple(
            {
                "name": _short(limit),
                "x": [e.candidate.replicas for e in shown],
                "y": [e.values[i] / limit.seconds for e in shown],
            }
            for i, limit in enumerate(of.limits)
        ),
        marks=(
            Mark(axis="y", at=1.0, label="limit"),
            Mark(axis="x", at=float(best.candidate.replicas), label="chosen"),
        ),
        caption="GPU and settings of the chosen fleet; what misses a limit by far is left out.",
    )


def _schedule_chart(of: Findings, best: Evaluation, schedule: Schedule) -> Chart:
    windows = schedule.windows
    edges = [w.start_s for w in windows] + [windows[-1].end_s]
    series: list[dict[str, Any]] = [
        {
            "name": "needed in each window",
            "x": _times(of, edges),
            "y": [w.replicas for w in windows] + [windows[-1].replicas],
        }
    ]
    scaled = schedule.autoscaled
    if scaled is not None:
        start = float(of.requests.trace.arrival_s[0])
        on = scaled.replicas_on
        keep = [i for i in range(len(on)) if i in (0, len(on) - 1) or on[i] != on[i - 1]]
        step = max(1, len(keep) // _POINTS)
        kept = keep[::step]
        series.append(
            {
                "name": "on behind the autoscaler",
                "x": _times(of, [start + i * scaled.autoscaling.interval_s for i in kept]),
                "y": [int(on[i]) for i in kept],
                "style": "dashed",
            }
        )
    unit = "" if of.requests.anchored else " Times are relative: no calendar is claimed."
    return Chart(
        id="capacity-schedule",
        title="Replicas over time",
        kind="step",
        x_label=_time_label(of),
        y_label="Replicas",
        series=tuple(series),
        marks=(Mark(axis="y", at=float(best.candidate.replicas), label="chosen, always on"),),
        caption=f"Windows of {_span_words(schedule.window_s)}, each with the least replicas that"
        f" hold the limits in it.{_above_words(best, windows)}{unit}",
    )


def _above_words(best: Evaluation, windows: Sequence[WindowNeed]) -> str:
    """That the chosen fleet holds the limits over the whole trace, and not in each window."""
    above = sum(w.replicas > best.candidate.replicas or not w.holds for w in windows)
    if not above:
        return ""
    return (
        f" In {above} of {len(windows)} of them more are needed than the chosen fleet has: its"
        " percentiles hold over all requests, not over those of each window."
    )


def _load_chart(of: Findings, schedule: Schedule) -> Chart:
    windows = schedule.windows
    trace = of.requests.trace
    last = float(trace.arrival_s[-1])
    rates = [
        w.requests / max(min(w.end_s, last) - w.start_s, 1e-9) for w in windows if w.start_s < last
    ]
    edges = [w.start_s for w in windows if w.start_s < last]
    return Chart(
        id="capacity-load",
        title="Load over time",
        kind="step",
        x_label=_time_label(of),
        y_label="Requests per second",
        series=(
            {
                "name": "requests per second",
                "x": _times(of, [*edges, last]),
                "y": [*rates, rates[-1] if rates else 0.0],
            },
        ),
        caption="Arrivals of the trace in the same windows.",
    )


def _occupancy_chart(of: Findings, occupancy: Occupancy) -> Chart:
    n = len(occupancy.utilisation)
    group = max(1, -(-n // _POINTS))
    start = float(of.requests.trace.arrival_s[0])
    at = [start + (i + 0.5 * group) * occupancy.bin_s for i in range(0, n, group)]

    def means(values: Any) -> list[float]:
        return [float(values[i : i + group].mean()) for i in range(0, n, group)]

    return Chart(
        id="capacity-occupancy",
        title="How full the chosen fleet is",
        kind="line",
        x_label=_time_label(of),
        y_label="Share in use (share)",
        series=(
            {
                "name": "time with a step running",
                "x": _times(of, at),
                "y": means(occupancy.utilisation),
            },
            {"name": "KV cache", "x": _times(of, at), "y": means(occupancy.kv)},
        ),
        caption="A replica runs a step whenever it has a request: that it always does is no sign"
        " of overload. A KV cache near full is.",
    )


def _times(of: Findings, seconds: Sequence[float]) -> list[Any]:
    if of.requests.anchored:
        start = _EPOCH + timedelta(microseconds=of.requests.start_us)
        return [(start + timedelta(seconds=s)).isoformat().replace("+00:00", "Z") for s in seconds]
    per = 3600.0 if _in_hours(of) else 60.0
    return [s / per for s in seconds]


def _in_hours(of: Findings) -> bool:
    return of.requests.trace.span_s >= 3 * 3600


def _time_label(of: Findings) -> str:
    if of.requests.anchored:
        return "Time (UTC)"
    return "Hours from the first request" if _in_hours(of) else "Minutes from the first request"


def _span_words(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:.3g} min" if seconds >= 60 else f"{seconds:.3g} s"
