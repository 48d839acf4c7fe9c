"""The drawing around the marks: plot area, axes, grid, and the point where both axes meet."""

from __future__ import annotations

from dataclasses import dataclass

from netra.reports.formatting import SHARES
from netra.reports.markup import Child, Markup, el
from netra.reports.svg.scale import Log, Scale

WIDTH = 560.0
#: Width of a character of tick text, pixels; widths cannot be measured without a browser.
_CHAR = 6.4


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The plot area, in pixels of the drawing."""

    left: float
    right: float
    top: float
    bottom: float
    height: float


def frame_for(y_texts: list[str], height: float = 300.0, *, x_title: bool = True) -> Frame:
    """Leaves room on the left for the longest tick text, and below for ticks and title."""
    widest = max(map(_width, y_texts), default=0.0)
    return Frame(
        left=min(max(30.0, widest + 14), WIDTH * 0.45),
        right=WIDTH - 18,
        top=22,
        bottom=height - (44 if x_title else 24),
        height=height,
    )


def svg(frame: Frame, title: str, *children: Child) -> Markup:
    """The whole drawing; `title` is what a screen reader says."""
    return el(
        "svg",
        el("title", title),
        *children,
        viewBox=f"0 0 {WIDTH:g} {frame.height:g}",
        role="img",
        class_="chart",
    )


def text(x: float, y: float, content: str, anchor: str = "start", class_: str = "tick") -> Markup:
    return el("text", content, x=x, y=y, text_anchor=anchor, class_=class_)


def x_axis(frame: Frame, scale: Scale, title: str) -> list[Markup]:
    """Baseline, ticks and their texts, title below."""
    parts = [_line(frame.left, frame.bottom, frame.right, frame.bottom, "axis")]
    free_from = -1e9
    for x, label in scale.ticks():
        if not frame.left - 1 <= x <= frame.right + 1:
            continue
        parts.append(_line(x, frame.bottom, x, frame.bottom + 4, "axis"))
        half = len(label) * _CHAR / 2
        if x - half < free_from:
            continue
        free_from = x + half + 8
        # The last text would leave the drawing: it ends at the edge instead.
        anchor, at = ("end", WIDTH - 1) if x + half > WIDTH else ("middle", x)
        parts.append(text(at, frame.bottom + 17, label, anchor))
    middle = (frame.left + frame.right) / 2
    parts.append(text(middle, frame.bottom + 36, _title(title, scale), "middle", "axis-title"))
    return parts


def y_axis(frame: Frame, scale: Scale, title: str) -> list[Markup]:
    """Grid lines and their texts, title above, where it can be read without turning one's head."""
    parts: list[Markup] = []
    for y, label in scale.ticks():
        parts.append(_line(frame.left, y, frame.right, y, "grid"))
        parts.append(text(frame.left - 7, y + 3.6, label, "end"))
    parts.append(text(2, 11, _title(title, scale), "start", "axis-title"))
    return parts


def _title(label: str, scale: Scale) -> str:
    """The label; a reader who takes a logarithmic axis for a linear one misreads every slope."""
    title = axis_title(label)
    if not isinstance(scale, Log):
        return title
    return f"{title}, log scale" if title else "Log scale"


def _width(label: str) -> float:
    """Of tick text; a per-cent sign is as wide as two digits nearly."""
    return (len(label) + 0.7 * label.count("%")) * _CHAR


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return el("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def tick_texts(scale: Scale) -> list[str]:
    return [label for _, label in scale.ticks()]


def axis_title(label: str) -> str:
    """The label as it is written: ticks in per cent need no `(share)` beside them."""
    unit = axis_unit(label)
    if unit in SHARES and label.rstrip().endswith(f"({unit})"):
        label = label.rpartition("(")[0].rstrip()
    return label[:1].upper() + label[1:]


def axis_unit(label: str) -> str:
    """The unit of an axis by its label: `Cost (USD)` and `USD` are in `USD`.

    `share of references that hit` is in shares, as a label that begins so says.
    """
    label = label.strip()
    head, _, tail = label.rpartition("(")
    if head and tail.endswith(")"):
        return tail.removesuffix(")")
    first = label.partition(" ")[0]
    return first if first in (*SHARES, "USD", "ms", "%") else ""
