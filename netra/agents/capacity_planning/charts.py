"""A capacity planner's charts: what money buys, how near the limits are, what varies over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from netra.agents.capacity_planning.findings import Findings, fleet_words, short_name
from netra.agents.capacity_planning.sizing import Schedule
from netra.analysis.serving.search.evaluation import Evaluation
from netra.analysis.serving.search.replica_schedule import WindowNeed
from netra.analysis.serving.simulator import Occupancy
from netra.reports.formatting import format_value
from netra.schemas.report import Chart, Mark

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Points of a line over time.
_POINTS = 240
#: Fleets that use more than this share of a limit are left out of a chart.
_DROWNING = 5.0


def front_chart(of: Findings, best: Evaluation | None) -> Chart:
    series: list[dict[str, Any]] = []
    for i, limit in enumerate(of.limits):
        series.append(
            {
                "name": short_name(limit),
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


def replicas_chart(of: Findings, best: Evaluation, around: Sequence[Evaluation]) -> Chart:
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
                "name": short_name(limit),
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


def schedule_chart(of: Findings, best: Evaluation, schedule: Schedule) -> Chart:
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


def load_chart(of: Findings, schedule: Schedule) -> Chart:
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


def occupancy_chart(of: Findings, occupancy: Occupancy) -> Chart:
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
