"""From values to pixels, and where the ticks are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from netra.reports.formatting import format_tick

#: Steps of a time axis, seconds.
_TIME_STEPS = (60, 300, 900, 3600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_419_200)


class Scale(Protocol):
    """One axis."""

    def at(self, value: float) -> float:
        """The pixel of a value."""
        ...

    def ticks(self) -> list[tuple[float, str]]:
        """Pixel and text of each tick."""
        ...


@dataclass(frozen=True, kw_only=True)
class Linear:
    """Equal steps for equal differences; the domain is widened to round numbers."""

    low: float
    high: float
    start: float
    end: float
    unit: str = ""
    #: Whether it counts: no tick between whole numbers.
    whole: bool = False

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        step = _step(self.high - self.low, whole=self.whole)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        values = [i * step for i in range(first, last + 1)]
        return [(self.at(v), format_tick(v, self.unit)) for v in values]


@dataclass(frozen=True, kw_only=True)
class Log:
    """Equal steps for equal factors; only for values above zero."""

    low: float
    high: float
    start: float
    end: float
    unit: str = ""

    def at(self, value: float) -> float:
        low, high = math.log10(self.low), math.log10(self.high)
        share = (math.log10(max(value, self.low)) - low) / (high - low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        low, high = math.log10(self.low), math.log10(self.high)
        every = max(1, math.ceil((high - low) / 7))
        parts = (1, 2, 5) if high - low <= 2 else (1,)
        values = [
            part * 10.0**e
            for e in range(math.floor(low), math.ceil(high) + 1, every)
            for part in parts
        ]
        inside = [v for v in values if self.low * 0.999 <= v <= self.high * 1.001]
        return [(self.at(v), format_tick(v, self.unit)) for v in inside]


@dataclass(frozen=True, kw_only=True)
class Time:
    """Seconds since 1970, written as UTC times."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        span = self.high - self.low
        step = next((s for s in _TIME_STEPS if span / s <= 7), nice_step(span, 7))
        form = "%H:%M" if step < 43_200 and span < 86_400 else "%d %b"
        if form == "%d %b" and step < 86_400:
            form = "%d %b %H:%M"
            step = max(step, 43_200)
        first = math.ceil(self.low / step)
        values = [i * step for i in range(first, math.floor(self.high / step) + 1)]
        return [(self.at(v), f"{datetime.fromtimestamp(v, UTC):{form}}") for v in values]


def linear(
    values: Sequence[float],
    start: float,
    end: float,
    *,
    zero: bool = False,
    unit: str = "",
    whole: bool = False,
) -> Linear:
    """A linear scale for these values, with round ends.

    Zero is included where asked for, and where the values come close to it anyway: a curve that
    floats above a cut axis looks steeper than it is.
    """
    low, high = min(values), max(values)
    if zero or 0 < low < 0.5 * high:
        low = min(low, 0.0)
    if zero or low * 0.5 > high:
        high = max(high, 0.0)
    if low == high:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - (pad if low else 0), high + pad
    step = _step(high - low, whole=whole)
    low = math.floor(low / step + 1e-9) * step
    high = math.ceil(high / step - 1e-9) * step
    return Linear(low=low, high=high, start=start, end=end, unit=unit, whole=whole)


def log(values: Sequence[float], start: float, end: float, *, unit: str = "") -> Log | Linear:
    """A logarithmic scale for these values; linear if one of them is not above zero."""
    if min(values) <= 0:
        return linear(values, start, end, unit=unit)
    low, high = min(values), max(values)
    if high / low < 1.5:
        low, high = low / 1.5, high * 1.5
    return Log(low=low, high=high, start=start, end=end, unit=unit)


def counts(values: Sequence[float]) -> bool:
    """Whether all are whole numbers."""
    return all(v == math.floor(v) for v in values)


def _step(span: float, *, whole: bool) -> float:
    step = nice_step(span)
    return float(math.ceil(step)) if whole else step


def nice_step(span: float, about: int = 5) -> float:
    """A step of 1, 2, 2.5 or 5 times a power of ten that makes about this many."""
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    return next((m * power for m in (1.0, 2.0, 2.5, 5.0) if m * power >= raw * 0.999), 10 * power)


def parse_time(value: object) -> float | None:
    """Seconds since 1970 of an RFC 3339 time, None for anything else."""
    if not isinstance(value, str) or len(value) < 10:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
