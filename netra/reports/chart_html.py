"""A chart in HTML: title, legend, drawing, caption, and its numbers for those who want them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netra.reports.formatting import format_value
from netra.reports.markup import Markup, el
from netra.reports.svg import colours_of, draw
from netra.reports.svg.frame import axis_unit
from netra.schemas.report import Chart

#: Rows in the table of a chart's numbers; the JSON report holds them all.
_ROWS = 60


def chart_block(chart: Chart) -> Markup:
    """The whole figure element; a chart without a point says so."""
    drawing = draw(chart) or el("p", "There is nothing to draw.", class_="note")
    return el(
        "figure",
        el("h3", chart.title),
        _legend(chart),
        el("div", drawing, class_="plot"),
        el("figcaption", chart.caption) if chart.caption else None,
        None if chart.kind == "heatmap" else _numbers(chart),
        class_="block",
        id=f"chart-{chart.id}",
    )


def _legend(chart: Chart) -> Markup | None:
    """Names of the series; a labelled mark says its own name."""
    colours = colours_of(chart)
    named = [
        str(s.get("name") or f"series {i + 1}")
        for i, s in enumerate(chart.series)
        if s.get("style") != "point"
    ]
    if len(named) < 2 or chart.kind == "heatmap":
        return None
    items = [
        el("li", el("i", class_=f"s{colours[name]}"), el("bdi", name), class_=f"s{colours[name]}")
        for name in named
    ]
    return el("ul", items, class_="legend")


def _numbers(chart: Chart) -> Markup | None:
    rows = [row for s in chart.series for row in _rows(chart, s)]
    if not rows:
        return None
    shown = rows[:_ROWS]
    more = f" (first {_ROWS} of {len(rows)}; all are in the JSON report)" if rows != shown else ""
    head = el("tr", [el("th", h) for h in ("Series", chart.x_label, chart.y_label)])
    return el(
        "details",
        el("summary", f"The numbers{more}"),
        el("div", el("table", el("thead", head), el("tbody", shown)), class_="scroll"),
        class_="numbers",
    )


def _rows(chart: Chart, series: dict[str, Any]) -> list[Markup]:
    xs: Sequence[Any] = series.get("x") or ()
    ys: Sequence[Any] = series.get("y") or ()
    name = str(series.get("name") or "")
    rows: list[Markup] = []
    for x, y in zip(xs, ys, strict=False):
        said_x = x if isinstance(x, str) else _said(x, chart.x_label)
        rows.append(
            el("tr", el("td", el("bdi", name)), el("td", el("bdi", said_x)),
               el("td", _said(y, chart.y_label), class_="num"))
        )  # fmt: skip
    return rows


def _said(value: Any, label: str) -> str:
    if not isinstance(value, int | float):
        return "no data" if value is None else str(value)
    return format_value(value, axis_unit(label))
