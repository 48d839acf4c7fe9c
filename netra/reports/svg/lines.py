"""Line, step and histogram charts over a numeric or time axis."""

from __future__ import annotations

from datetime import UTC, datetime

from netra.reports.formatting import format_value
from netra.reports.markup import Markup, el
from netra.reports.svg import scale as scales
from netra.reports.svg.frame import (
    Frame,
    axis_unit,
    frame_for,
    svg,
    text,
    tick_texts,
    x_axis,
    y_axis,
)
from netra.reports.svg.marks import draw_marks, places
from netra.reports.svg.scale import Scale
from netra.reports.svg.series import Series, is_time, read_series, told_apart
from netra.schemas.report import Chart

#: With more points than this, only the line is drawn; the marks would hide it.
_MARKS_AT_MOST = 40


def draw_lines(chart: Chart, colours: dict[str, int]) -> Markup | None:
    """A line or step chart; None if no series has a point."""
    series = [s for s in read_series(chart.series) if s.values()]
    if not series:
        return None
    # Steps are counts: their height is read from zero.
    frame, x, y = _axes(chart, series, zero=chart.kind == "step" and chart.y_scale == "linear")
    drawn = [_draw_one(chart, s, frame, x, y, colours.get(s.name, 1)) for s in told_apart(series)]
    lines, labels = draw_marks(chart.marks, frame, x, y)
    return svg(frame, chart.title, y_axis(frame, y, chart.y_label), lines, drawn, labels,
               x_axis(frame, x, chart.x_label))  # fmt: skip


def draw_histogram(chart: Chart, colours: dict[str, int]) -> Markup | None:
    """Columns between edges: `x` holds n + 1 edges, `y` n counts."""
    series = [s for s in read_series(chart.series) if s.values() and len(s.x) > 1]
    if not series:
        return None
    frame, x, y = _axes(chart, series, zero=True)
    columns: list[Markup] = []
    for s in series:
        for i in range(len(s.x) - 1):
            if not (count := s.y[i]):
                continue
            left, right, top = x.at(s.x[i]), x.at(s.x[i + 1]), y.at(count)
            says = (
                f"{_said(s.x[i], chart.x_label)} to {_said(s.x[i + 1], chart.x_label)}: "
                f"{_said(count, chart.y_label)}"
            )
            columns.append(
                el(
                    "rect",
                    el("title", says),
                    x=left + 0.5,
                    y=top,
                    width=max(right - left - 1, 0.5),
                    height=max(frame.bottom - top, 0.5),
                    class_=f"fill s{colours.get(s.name, 1)}",
                )
            )
    return svg(frame, chart.title, y_axis(frame, y, chart.y_label), columns,
               x_axis(frame, x, chart.x_label))  # fmt: skip


def _axes(chart: Chart, series: list[Series], *, zero: bool) -> tuple[Frame, Scale, Scale]:
    values = [v for s in series for v in s.values()] + places(chart.marks, "y")
    unit = axis_unit(chart.y_label)

    def y_scale(top: float, bottom: float) -> Scale:
        if chart.y_scale == "log" and not zero:
            return scales.log(values, bottom, top, unit=unit)
        whole = chart.kind == "step" and scales.counts(values)
        return scales.linear(values, bottom, top, zero=zero, unit=unit, whole=whole)

    frame = frame_for(tick_texts(y_scale(0, 1)))
    xs = [x for s in series for x in s.x] + places(chart.marks, "x")
    span = (min(xs), max(xs)) if min(xs) < max(xs) else (min(xs) - 0.5, max(xs) + 0.5)
    x_unit = axis_unit(chart.x_label)
    x: Scale
    if is_time(chart.series):
        x = scales.Time(low=span[0], high=span[1], start=frame.left, end=frame.right)
    elif chart.x_scale == "log":
        x = scales.log(xs, frame.left, frame.right, unit=x_unit)
    else:
        # Not widened to round ends: the line may use the whole width.
        x = scales.Linear(
            low=span[0], high=span[1], start=frame.left, end=frame.right, unit=x_unit,
            whole=scales.counts(xs),
        )  # fmt: skip
    return frame, x, y_scale(frame.top, frame.bottom)


def _draw_one(
    chart: Chart, s: Series, frame: Frame, x: Scale, y: Scale, colour: int
) -> list[Markup]:
    points = [(x.at(a), None if b is None else y.at(b)) for a, b in zip(s.x, s.y, strict=True)]
    if s.style == "point":
        return [_labelled(px, py, s.name, frame, colour) for px, py in points if py is not None]
    parts: list[Markup] = []
    if s.lower and s.upper:
        parts.append(_band(s, x, y, colour))
    if s.style not in ("band", "dots"):
        path = _path(points, step=chart.kind == "step")
        dashed = " dashed" if s.style == "dashed" else ""
        parts.append(el("path", d=path, class_=f"line s{colour}{dashed}"))
    few = len(points) <= _MARKS_AT_MOST or s.style == "dots"
    radius = 2.6 if len(points) <= _MARKS_AT_MOST else 1.6
    if s.style == "dots" and len(points) <= _MARKS_AT_MOST:
        # No line leads the eye to them.
        radius = 4.0
    for (px, py), a, b, name in zip(points, s.x, s.y, s.names, strict=True):
        if py is None or b is None:
            continue
        says = f"{s.name}: {_said(b, chart.y_label)} at {_said_x(a, chart)}"
        says += f": {name}" if name else ""
        dot = el("circle", cx=px, cy=py, r=radius, class_=f"fill s{colour}") if few else None
        # A disc larger than the mark, unseen, so that the pointer need not be exact.
        hit = el("circle", el("title", says), cx=px, cy=py, r=7, class_="hit")
        parts.append(Markup((dot or "") + hit))
    return parts


def _path(points: list[tuple[float, float | None]], *, step: bool) -> str:
    written: list[str] = []
    pen_down = False
    for px, py in points:
        if py is None:
            pen_down = False
            continue
        if not pen_down:
            written.append(f"M{px:.1f} {py:.1f}")
        elif step:
            written.append(f"H{px:.1f}V{py:.1f}")
        else:
            written.append(f"L{px:.1f} {py:.1f}")
        pen_down = True
    return "".join(written)


def _band(s: Series, x: Scale, y: Scale, colour: int) -> Markup:
    ends = [
        (x.at(a), y.at(low), y.at(high))
        for a, low, high in zip(s.x, s.lower, s.upper, strict=True)
        if low is not None and high is not None
    ]
    there = "L".join(f"{px:.1f} {high:.1f}" for px, _, high in ends)
    back = "L".join(f"{px:.1f} {low:.1f}" for px, low, _ in reversed(ends))
    return el("path", d=f"M{there}L{back}Z" if ends else "", class_=f"band s{colour}")


def _labelled(px: float, py: float, name: str, frame: Frame, colour: int) -> Markup:
    right = px > (frame.left + frame.right) / 2
    near_top = py < frame.top + 24
    label = text(
        px - 9 if right else px + 9, py + (18 if near_top else -9), name,
        "end" if right else "start", "mark-label",
    )  # fmt: skip
    dot = el("circle", el("title", name), cx=px, cy=py, r=5.0, class_=f"mark s{colour}")
    return Markup(dot + label)


def _said(value: float, label: str) -> str:
    return format_value(value, axis_unit(label))


def _said_x(value: float, chart: Chart) -> str:
    if is_time(chart.series):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M}"
    return _said(value, chart.x_label)
