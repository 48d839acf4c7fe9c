"""Lines across a chart that say where a limit, a cut or a choice lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from netra.reports.markup import Markup, el
from netra.reports.svg.frame import Frame, text
from netra.reports.svg.scale import Scale, parse_time
from netra.schemas.report import Mark

#: Height of a label's line, pixels: labels of upright lines step down so as not to collide.
_LINE = 14.0


def places(marks: Sequence[Mark], axis: Literal["x", "y"]) -> list[float]:
    """Where the marks of an axis lie, in its unit; what cannot be read is left out."""
    found = [_place(m) for m in marks if m.axis == axis]
    return [at for at in found if at is not None]


def draw_marks(marks: Sequence[Mark], frame: Frame, x: Scale, y: Scale) -> list[Markup]:
    """Each mark's line and label; labels keep to the side that has room."""
    parts: list[Markup] = []
    upright = 0
    for mark in marks:
        at = _place(mark)
        if at is None:
            continue
        if mark.axis == "y":
            parts += _level(mark.label, frame, y.at(at))
        else:
            parts += _upright(mark.label, frame, x.at(at), frame.top + 10 + upright * _LINE)
            upright += 1
    return parts


def _level(label: str, frame: Frame, at: float) -> list[Markup]:
    below = at < frame.top + _LINE
    return [
        el("line", x1=frame.left, y1=at, x2=frame.right, y2=at, class_="reference"),
        text(frame.right - 2, at + 12 if below else at - 5, label, "end", "reference-label"),
    ]


def _upright(label: str, frame: Frame, at: float, label_y: float) -> list[Markup]:
    left = at > (frame.left + frame.right) / 2
    anchor, label_x = ("end", at - 5) if left else ("start", at + 5)
    return [
        el("line", x1=at, y1=frame.top, x2=at, y2=frame.bottom, class_="reference"),
        text(label_x, label_y, label, anchor, "reference-label"),
    ]


def _place(mark: Mark) -> float | None:
    at = parse_time(mark.at) if isinstance(mark.at, str) else mark.at
    return at if at is not None and math.isfinite(at) else None
