"""Which drawing a kind of chart gets, and which colour a series."""

from __future__ import annotations

from netra.reports.markup import Markup
from netra.reports.svg.bars import draw_bars
from netra.reports.svg.heatmap import draw_heatmap
from netra.reports.svg.lines import draw_histogram, draw_lines
from netra.reports.svg.series import is_categorical
from netra.schemas.report import Chart

#: Colours that the style sheet knows, `s1` to `s6`; a seventh series begins again.
_COLOURS = 6


def draw(chart: Chart) -> Markup | None:
    """The chart as an SVG element; None if it has nothing to draw."""
    colours = colours_of(chart)
    if chart.kind == "heatmap":
        return draw_heatmap(chart)
    if chart.kind == "histogram":
        return draw_histogram(chart, colours)
    if chart.kind == "bar" or is_categorical(chart.series):
        return draw_bars(chart, colours)
    return draw_lines(chart, colours)


def colours_of(chart: Chart) -> dict[str, int]:
    """The colour of each series, by name, in the order of the legend."""
    names = [str(s.get("name") or f"series {i + 1}") for i, s in enumerate(chart.series)]
    return {name: i % _COLOURS + 1 for i, name in enumerate(names)}
