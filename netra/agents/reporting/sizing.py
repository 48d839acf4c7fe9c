"""Keeps a report within what a stage's result may hold, by thinning what can be thinned."""

from __future__ import annotations

from typing import Any

import msgspec

from netra.schemas.report import Chart, Report, Section

#: A result may have 256 kB; some of it is left for the encoding of others.
LIMIT_BYTES = 240_000
#: Points of a line and rows of a table, from generous to meagre.
_STEPS = ((400, 40), (200, 25), (100, 15), (50, 8), (20, 4))


def fit_size(report: Report, limit: int = LIMIT_BYTES) -> Report:
    """The report with as many points and rows as fit; then with fewer charts and tables.

    Sums and figures are never touched: what is thinned is what a chart draws and a table lists.
    """
    for points, rows in _STEPS:
        report = msgspec.structs.replace(
            report,
            charts=tuple(_thinned(chart, points) for chart in report.charts),
            sections=tuple(_thinned_section(s, points, rows) for s in report.sections),
            profile=_shortened(report.profile, rows),
        )
        if _size(report) <= limit:
            return report
    while report.charts and _size(report) > limit:
        report = msgspec.structs.replace(report, charts=report.charts[:-1])
    while report.profile.get("tables") and _size(report) > limit:
        profile = {**report.profile, "tables": report.profile["tables"][:-1]}
        report = msgspec.structs.replace(report, profile=profile)
    return report


def _size(report: Report) -> int:
    return len(msgspec.json.encode(report))


def _thinned(chart: Chart, most: int) -> Chart:
    """At most so many points of each line, evenly taken, ends kept; bars and heatmaps stay."""
    if chart.kind not in ("line", "step"):
        return chart
    series: list[dict[str, Any]] = []
    for one in chart.series:
        count = len(one.get("x", ()))
        if count <= most:
            series.append(one)
            continue
        keep = sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})
        listed = {k: v for k, v in one.items() if isinstance(v, list | tuple) and len(v) == count}
        series.append(one | {k: [v[i] for i in keep] for k, v in listed.items()})
    return msgspec.structs.replace(chart, series=tuple(series))


def _thinned_section(section: Section, points: int, rows: int) -> Section:
    return msgspec.structs.replace(
        section,
        charts=tuple(_thinned(chart, points) for chart in section.charts),
        tables=tuple(_first_rows(table, rows) for table in section.tables),
    )


def _shortened(profile: dict[str, Any], most: int) -> dict[str, Any]:
    tables = [_first_rows(table, most) for table in profile.get("tables", ())]
    return {**profile, "tables": tables} if tables else profile


def _first_rows(table: dict[str, Any], most: int) -> dict[str, Any]:
    rows = table["rows"]
    if len(rows) <= most:
        return table
    return {**table, "rows": rows[:most], "note": f"the first {most} of {len(rows)} rows"}
