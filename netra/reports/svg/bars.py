"""Bars over names, lying down so that the names can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netra.reports.formatting import format_value
from netra.reports.markup import Markup, el
from netra.reports.svg import scale as scales
from netra.reports.svg.frame import WIDTH, Frame, axis_title, axis_unit, svg, text
from netra.reports.svg.scale import Scale
from netra.reports.svg.series import Series
from netra.schemas.report import Chart

#: Thickness of one bar, and the gap between the names' groups, pixels.
_BAR, _GAP = 17.0, 10.0
_NAME_CHARS = 30
#: Room right of the longest bar for its value, pixels.
_VALUE_ROOM = 88.0


def draw_bars(chart: Chart, colours: dict[str, int]) -> Markup | None:
    """A group of bars for each name, each with its value and, where known, its interval."""
    names, series = _read(chart.series)
    values = [v for s in series for v in s.values()]
    if not values:
        return None
    shown = [_short(name) for name in names]
    height = 20 + len(names) * (_BAR * len(series) + _GAP) + 8
    left = min(max(60.0, max(map(len, shown)) * 6.6 + 12), WIDTH * 0.42)
    frame = Frame(left=left, right=WIDTH - _VALUE_ROOM, top=20, bottom=height - 8, height=height)
    unit = axis_unit(chart.y_label)
    scale = scales.linear(values, frame.left, frame.right, zero=True, unit=unit)
    parts = [text(2, 11, axis_title(chart.y_label), "start", "axis-title")]
    for i, name in enumerate(names):
        top = frame.top + i * (_BAR * len(series) + _GAP) + _GAP / 2
        middle = top + _BAR * len(series) / 2
        parts.append(_name(name, shown[i], frame.left - 7, middle + 4))
        for j, s in enumerate(series):
            own = chart.series[j].get("colours") or ()
            colour = own[i] if i < len(own) else colours.get(s.name, 1)
            parts += _bar(name, s, i, top + j * _BAR, scale, unit, colour)
    zero = scale.at(0.0)
    parts.append(el("line", x1=zero, y1=frame.top, x2=zero, y2=frame.bottom, class_="axis"))
    return svg(frame, chart.title, parts)


def _bar(
    name: str, s: Series, i: int, top: float, scale: Scale, unit: str, colour: int
) -> list[Markup]:
    value = s.y[i]
    if value is None:
        return [text(scale.at(0.0) + 6, top + _BAR - 5, "no data", class_="tick")]
    start, end = sorted((scale.at(0.0), scale.at(value)))
    written = format_value(value, unit)
    bar = el(
        "rect",
        el("title", f"{name}, {s.name}: {written}"),
        x=start,
        y=top + 1.5,
        width=max(end - start, 1.0),
        height=_BAR - 3,
        rx=2,
        class_=f"fill s{colour}",
    )
    low = s.lower[i] if s.lower else None
    high = s.upper[i] if s.upper else None
    whisker: list[Markup] = []
    if low is not None and high is not None:
        y = top + _BAR / 2
        a, b = scale.at(low), scale.at(high)
        end = max(end, b)
        d = f"M{a:.1f} {y:.1f}H{b:.1f}M{a:.1f} {y - 4:.1f}v8M{b:.1f} {y - 4:.1f}v8"
        whisker.append(el("path", d=d, class_="whisker"))
    return [bar, *whisker, text(end + 6, top + _BAR - 4.5, written, class_="value")]


def _read(raw: Sequence[dict[str, Any]]) -> tuple[list[str], list[Series]]:
    """Names in order of first appearance, and each series aligned to them."""
    names = list(dict.fromkeys(str(x) for one in raw for x in one.get("x", ())))
    aligned: list[Series] = []
    for i, one in enumerate(raw):
        place = {str(x): j for j, x in enumerate(one.get("x", ()))}

        def column(
            key: str, one: dict[str, Any] = one, place: dict[str, int] = place
        ) -> tuple[float | None, ...]:
            values = one.get(key) or ()
            at = [place.get(name, len(values)) for name in names]
            return tuple(_finite(values[j]) if j < len(values) else None for j in at)

        aligned.append(
            Series(
                name=str(one.get("name") or f"series {i + 1}"),
                x=tuple(float(j) for j in range(len(names))),
                y=column("y"),
                lower=column("lower") if one.get("lower") else (),
                upper=column("upper") if one.get("upper") else (),
            )
        )
    return names, aligned


def _finite(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and abs(value) < float("inf") else None


def _name(full: str, shown: str, x: float, y: float) -> Markup:
    title = el("title", full) if shown != full else None
    return el("text", title, shown, x=x, y=y, text_anchor="end", class_="name")


def _short(name: str) -> str:
    return name if len(name) <= _NAME_CHARS else f"{name[: _NAME_CHARS - 1]}…"
