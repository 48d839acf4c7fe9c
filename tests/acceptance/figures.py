"""What makes a figure honest, checked on every figure of a report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

FIGURE_KEYS = {"value", "unit", "status"}


def figures(content: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every figure in a piece of JSON, with where it stands."""
    if isinstance(content, dict):
        if content.keys() >= FIGURE_KEYS:
            yield path, content
        for key, value in content.items():
            yield from figures(value, f"{path}.{key}")
    elif isinstance(content, list):
        for i, value in enumerate(content):
            yield from figures(value, f"{path}[{i}]")


def dishonest(figure: dict[str, Any]) -> str | None:
    """What is wrong with a figure, or None."""
    if figure["status"] == "ok":
        if figure["value"] is None:
            return "ok, but without a value"
        if figure["n"] <= 0:
            return "rests on no observation"
        if not figure["method"]:
            return "does not say how it was computed"
        if not figure["source"] or not figure["source"]["query"]:
            return "does not say where it comes from"
        if figure["interval"]:
            low, high = figure["interval"]
            slack = 1e-9 * max(abs(low), abs(high), 1)
            if not low - slack <= figure["value"] <= high + slack:
                return f"{figure['value']} is outside of its interval {low} to {high}"
        return None
    if figure["value"] is not None:
        return f"{figure['status']}, but with a value"
    if figure["status"] == "insufficient_data" and not figure["needs"]:
        return "does not say what is missing"
    return None
