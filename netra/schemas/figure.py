"""Figures: every number of a report, with where it comes from. Shapes fixed by other programs."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Status = Literal["ok", "insufficient_data", "not_supported"]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a figure was computed from."""

    workload_id: str
    #: The query or upstream result that selected them.
    query: str
    columns: tuple[str, ...] = ()
    #: What narrowed them, e.g. `{"feature": "search", "part": "verify"}`.
    filter: dict[str, Any] = {}


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A number, or the reason why there is none."""

    value: float | None
    unit: str
    #: Lower and upper end at `level`, or None where the value is exact.
    interval: tuple[float, float] | None = None
    level: float = 0.9
    #: How many observations it rests on.
    n: int = 0
    #: How it was computed, in one line that a sceptic can check.
    method: str = ""
    source: Source | None = None
    status: Status = "ok"
    #: What the workload lacks, when `status` is `insufficient_data`.
    needs: tuple[str, ...] = ()
    #: What a person calls it.
    label: str = ""


def missing(*needs: str, unit: str, source: Source | None = None, label: str = "") -> Figure:
    """The figure that the workload cannot support, naming what it lacks."""
    return Figure(
        value=None, unit=unit, source=source, status="insufficient_data", needs=needs, label=label
    )
