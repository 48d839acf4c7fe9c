"""A grid of shaded cells: a value for each pair of names."""

from __future__ import annotations

from typing import Any

from netra.reports.formatting import format_value
from netra.reports.markup import Markup, el
from netra.reports.svg.frame import WIDTH, Frame, axis_title, axis_unit, svg, text
from netra.schemas.report import Chart


def draw_heatmap(chart: Chart) -> Markup | None:
    """Rows `y`, columns `x`, values `z[row][column]`; None or absent is hatched, not zero."""
    raw = chart.series[0] if chart.series else {}
    columns, rows = [str(x) for x in raw.get("x", ())], [str(y) for y in raw.get("y", ())]
    cells = raw.get("z") or []
    known = [v for row in cells for v in row if _is_number(v)]
    if not (columns and rows and known):
        return None
    low, high = min(known), max(known)
    unit = axis_unit(str(raw.get("name") or "")) or axis_unit(chart.y_label)
    left = min(max(40.0, max(map(len, rows)) * 6.6 + 12), WIDTH * 0.35)
    side = min(26.0, max(14.0, (WIDTH - left - 12) / len(columns)))
    width = (WIDTH - left - 12) / len(columns)
    height = 26 + side * len(rows) + 62
    frame = Frame(left=left, right=WIDTH - 12, top=26, bottom=height - 62, height=height)
    parts: list[Markup] = []
    for i, row in enumerate(rows):
        parts.append(text(left - 7, frame.top + (i + 0.5) * side + 4, row, "end", "name"))
        for j, column in enumerate(columns):
            value = cells[i][j] if i < len(cells) and j < len(cells[i]) else None
            says = f"{row}, {column}: "
            says += format_value(value, unit) if _is_number(value) else "no data"
            parts.append(
                el(
                    "rect",
                    el("title", says),
                    x=left + j * width,
                    y=frame.top + i * side,
                    width=max(width - 1, 1.0),
                    height=side - 1,
                    class_="cell" if _is_number(value) else "cell unknown",
                    fill_opacity=_shade(value, low, high),
                )
            )
    parts += _column_names(columns, frame, width)
    parts.append(text(2, 11, axis_title(chart.y_label), "start", "axis-title"))
    middle = (frame.left + frame.right) / 2
    parts.append(text(middle, frame.bottom + 34, chart.x_label, "middle", "axis-title"))
    parts += _legend(low, high, unit, frame)
    return svg(frame, chart.title, parts)


def _column_names(columns: list[str], frame: Frame, width: float) -> list[Markup]:
    widest = max(map(len, columns)) * 6.6 + 8
    every = max(1, -(-int(widest) // max(1, int(width))))
    return [
        text(frame.left + (j + 0.5) * width, frame.bottom + 15, name, "middle")
        for j, name in enumerate(columns)
        if j % every == 0
    ]


def _legend(low: float, high: float, unit: str, frame: Frame) -> list[Markup]:
    y = frame.bottom + 44
    boxes = [
        el("rect", x=frame.right - 190 + i * 14, y=y, width=14, height=9, class_="cell",
           fill_opacity=_shade(i, 0, 6))
        for i in range(7)
    ]  # fmt: skip
    return [
        text(frame.right - 196, y + 8, format_value(low, unit), "end"),
        *boxes,
        text(frame.right - 190 + 7 * 14 + 6, y + 8, format_value(high, unit)),
    ]


def _shade(value: Any, low: float, high: float) -> float:
    """From nearly none to full; equal values are all in the middle."""
    if not _is_number(value):
        return 1.0
    share = 0.5 if high == low else (value - low) / (high - low)
    return 0.06 + 0.94 * share


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) < float("inf")
