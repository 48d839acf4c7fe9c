"""A chart's series as plain numbers: what cannot be drawn is left out here, once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netra.reports.svg.scale import parse_time

#: How a series is drawn: plainly, as one labelled mark, as many unlabelled ones, dashed, or as a
#: band of uncertainty.
STYLES = ("plain", "point", "dots", "dashed", "band")


@dataclass(frozen=True, kw_only=True)
class Series:
    """One named series; a y of None is a gap."""

    name: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    style: str = "plain"
    #: What each point is called; empty where it has no name.
    names: tuple[str, ...] = ()
    #: Ends of each point's interval, where there are any.
    lower: tuple[float | None, ...] = ()
    upper: tuple[float | None, ...] = ()

    def values(self) -> list[float]:
        """Everything that must fit on the y axis."""
        return [v for v in (*self.y, *self.lower, *self.upper) if v is not None]


def is_categorical(series: Sequence[Mapping[str, Any]]) -> bool:
    """Whether x holds names: text that is not a time."""
    return any(
        isinstance(x, str) and parse_time(x) is None for one in series for x in one.get("x", ())
    )


def is_time(series: Sequence[Mapping[str, Any]]) -> bool:
    """Whether x holds times, RFC 3339."""
    xs = [x for one in series for x in one.get("x", ())]
    return bool(xs) and all(parse_time(x) is not None for x in xs)


def read_series(series: Sequence[Mapping[str, Any]]) -> list[Series]:
    """The series of a line, step or histogram chart; those without a point are left out."""
    found: list[Series] = []
    for i, one in enumerate(series):
        xs = [_number(x) for x in one.get("x", ())]
        keep = [j for j, x in enumerate(xs) if x is not None]
        if not keep:
            continue
        style = str(one.get("style", "plain"))
        found.append(
            Series(
                name=str(one.get("name") or f"series {i + 1}"),
                x=tuple(x for x in xs if x is not None),
                y=_picked(one.get("y"), keep),
                style=style if style in STYLES else "plain",
                lower=_picked(one["lower"], keep) if one.get("lower") else (),
                upper=_picked(one["upper"], keep) if one.get("upper") else (),
                names=_names(one.get("names"), keep),
            )
        )
    return found


def told_apart(series: Sequence[Series]) -> list[Series]:
    """A line that runs where an earlier one does is dashed, so that both are seen."""
    found: list[Series] = []
    for one in series:
        hidden = one.style == "plain" and any((s.x, s.y) == (one.x, one.y) for s in found)
        found.append(dataclasses.replace(one, style="dashed") if hidden else one)
    return found


def _names(names: Sequence[Any] | None, keep: Sequence[int]) -> tuple[str, ...]:
    names = names or ()
    return tuple(str(names[j]) if j < len(names) else "" for j in keep)


def _picked(values: Sequence[Any] | None, keep: Sequence[int]) -> tuple[float | None, ...]:
    values = values or ()
    return tuple(_number(values[j]) if j < len(values) else None for j in keep)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        return parse_time(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
