"""How numbers are written: the one place that decides on decimals, signs and units."""

from __future__ import annotations

import math

from netra.schemas.figure import Figure

#: Between a number and its unit: a line never breaks there.
NBSP = "\u00a0"
_MINUS = "\u2212"
#: Units whose values are shares of one, written as per cent.
SHARES = frozenset({"share", "ratio", "fraction"})
_MILLIONS = ((1e12, "T"), (1e9, "B"), (1e6, "M"))


def format_value(value: float | None, unit: str) -> str:
    """A value with its unit as a person reads it: `$3,318.50`, `36.6 %`, `1.25M tokens`.

    Money keeps its cents up to 100,000 USD, and three significant digits below a cent.
    """
    if value is None or math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "∞" if value > 0 else f"{_MINUS}∞"
    sign = _MINUS if value < 0 else ""
    return sign + _magnitude(abs(value), unit)


def format_share(value: float | None) -> str:
    """A share of one as it stands in a sentence: `12.3 %`."""
    return format_value(value, "share")


def format_interval(low: float, high: float, unit: str) -> str:
    """Both ends, with the unit."""
    return f"{format_value(low, unit)} to {format_value(high, unit)}"


def format_figure(figure: Figure) -> str:
    """The figure's value, or why there is none; one line of text."""
    if figure.status != "ok":
        return status_text(figure.status)
    return format_value(figure.value, figure.unit)


def status_text(status: str) -> str:
    return status.replace("_", " ")


def format_count(n: int) -> str:
    return f"{n:,}"


def format_tick(value: float, unit: str) -> str:
    """A value beside an axis: as short as it can be."""
    sign, size = (_MINUS if value < 0 else ""), abs(value)
    if unit in SHARES:
        return f"{sign}{_trim(size * 100, 2)}%"
    prefix = "$" if unit.startswith("USD") else ""
    for limit, letter in (*_MILLIONS, (1e3, "k")):
        if size >= limit:
            return f"{sign}{prefix}{_trim(size / limit, 2)}{letter}"
    return f"{sign}{prefix}{_significant(size, 3) if 0 < size < 0.01 else _trim(size, 2)}"


def _magnitude(size: float, unit: str) -> str:
    name, _, per = unit.partition("/")
    suffix = f"{NBSP}/{NBSP}{per}" if per else ""
    if name == "USD":
        return _money(size) + suffix
    if name in SHARES:
        return f"{_decimals(size * 100, 1)}{NBSP}%{suffix}"
    if name == "%":
        return f"{_decimals(size, 1)}{NBSP}%{suffix}"
    if name == "ms" and size >= 10_000:
        return f"{_decimals(size / 1000, 1)}{NBSP}s{suffix}"
    return f"{_number(size)}{f'{NBSP}{name}' if name not in ('', '1') else ''}{suffix}"


def _money(size: float) -> str:
    for limit, letter in _MILLIONS:
        if size >= 10 * limit:
            return f"${size / limit:,.1f}{letter}"
    if size >= 100_000:
        return f"${size:,.0f}"
    if 0 < size < 0.01:
        return f"${_significant(size, 3)}"
    return f"${size:,.2f}"


def _number(size: float) -> str:
    for limit, letter in _MILLIONS:
        if size >= limit:
            return f"{_significant(size / limit, 3)}{letter}"
    if size == int(size):
        return f"{int(size):,}"
    if size >= 1000:
        return f"{size:,.0f}"
    return _significant(size, 3)


def _decimals(value: float, places: int) -> str:
    """At most `places` decimals, more only where the value would otherwise look like zero."""
    if 0 < value < 10**-places:
        return _significant(value, 2)
    return f"{value:,.{places}f}"


def _significant(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(value)))
    return f"{value:,.{places}f}"


def _trim(value: float, places: int) -> str:
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
