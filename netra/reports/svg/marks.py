"""Lines across a chart that say where a limit, a cut or a choice lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from netra.reports.markup import Markup, el
from netra.reports.svg.frame import Frame, text
from netra.reports.svg.scale import Scale, parse_time
from netra.schemas.report import Mark

#: Height of a label's line, pixels: labels of upright lines step down so as not to collide.
_LINE = 14.0
#: Width of a character of a label, pixels.
_CHAR = 5.8


@dataclass(frozen=True, kw_only=True)
class _Label:
    """A label's text and the box that it fills."""

    said: str
    x: float
    baseline: float
    anchor: Literal["start", "end"]

    def ends(self) -> tuple[float, float]:
        width = len(self.said) * _CHAR
        return (self.x - width, self.x) if self.anchor == "end" else (self.x, self.x + width)

    def covers(self, y: float) -> bool:
        """Whether a level line at `y` goes through the text."""
        return self.baseline - 9 < y < self.baseline + 2

    def meets(self, other: _Label) -> bool:
        (a, b), (c, d) = self.ends(), other.ends()
        return abs(self.baseline - other.baseline) < 11 and a < d and c < b

    def drawn(self) -> Markup:
        return text(self.x, self.baseline, self.said, self.anchor, "reference-label")


def places(marks: Sequence[Mark], axis: Literal["x", "y"]) -> list[float]:
    """Where the marks of an axis lie, in its unit; what cannot be read is left out."""
    return [at for _, at in _placed(marks, axis)]


def draw_marks(
    marks: Sequence[Mark], frame: Frame, x: Scale, y: Scale
) -> tuple[list[Markup], list[Markup]]:
    """The marks' lines, to lie beneath the series, and their labels, to lie above all.

    Labels keep to their line, on a side that has room.
    """
    labels: list[_Label] = []
    lines: list[Markup] = []
    for i, (mark, value) in enumerate(_placed(marks, "x")):
        at = x.at(value)
        lines.append(_line(at, frame.top, at, frame.bottom))
        labels.append(_upright(mark.label, frame, at, frame.top + 10 + i * _LINE))
    levels = sorted((y.at(value), mark.label) for mark, value in _placed(marks, "y"))
    heights = [at for at, _ in levels]
    for at, said in levels:
        lines.append(_line(frame.left, at, frame.right, at))
        labels.append(_level(said, frame, at, heights, labels))
    return lines, [label.drawn() for label in labels]


def _level(
    said: str, frame: Frame, at: float, heights: Sequence[float], taken: Sequence[_Label]
) -> _Label:
    """Above or below its own line, right or left: the first place that nothing else is at."""
    tried = [
        _Label(said=said, x=x, baseline=baseline, anchor=anchor)
        for x, anchor in _sides(frame)
        for baseline in (at - 5, at + 12)
        if frame.top + 2 < baseline < frame.bottom
    ]
    # Above the plot, right of the axis' title: for the line at the very top.
    tried.append(_Label(said=said, x=frame.right - 2, baseline=at - 5, anchor="end"))
    free = [
        label
        for label in tried
        if not any(label.meets(other) for other in taken)
        and not any(label.covers(height) for height in heights if height != at)
    ]
    return (free or tried)[0]


def _sides(frame: Frame) -> tuple[tuple[float, Literal["start", "end"]], ...]:
    return (frame.right - 2, "end"), (frame.left + 4, "start")


def _upright(said: str, frame: Frame, at: float, baseline: float) -> _Label:
    if at > (frame.left + frame.right) / 2:
        return _Label(said=said, x=at - 5, baseline=baseline, anchor="end")
    return _Label(said=said, x=at + 5, baseline=baseline, anchor="start")


def _line(x1: float, y1: float, x2: float, y2: float) -> Markup:
    return el("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="reference")


def _placed(marks: Sequence[Mark], axis: Literal["x", "y"]) -> list[tuple[Mark, float]]:
    found = [(m, _place(m)) for m in marks if m.axis == axis]
    return [(m, at) for m, at in found if at is not None]


def _place(mark: Mark) -> float | None:
    at = parse_time(mark.at) if isinstance(mark.at, str) else mark.at
    return at if at is not None and math.isfinite(at) else None
