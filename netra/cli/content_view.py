"""An agent's result for people: figures, tables and plain values, whatever the agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from netra.cli import output

#: Rows of a table that are shown.
_ROWS = 20


def render(content: Mapping[str, Any]) -> Group:
    """All that fits a terminal; `--json` has the rest."""
    parts: list[RenderableType] = []
    plain = {k: v for k, v in content.items() if not isinstance(v, Mapping | list | tuple)}
    if needs := content.get("needs"):
        plain["needs"] = ", ".join(needs)
    if plain:
        parts.append(_values(plain))
    if figures := content.get("figures"):
        parts += ["", _figures(figures)]
    for table in content.get("tables", ()):
        columns = [column["name"] for column in table["columns"]]
        rows = [dict(zip(columns, row, strict=True)) for row in table["rows"]]
        parts += ["", *_table(table["title"], rows)]
    for name, values in content.items():
        if name not in ("tables", "charts") and _is_table(values):
            parts += ["", *_table(name, [_flat(row) for row in values])]
    return Group(*parts)


def _values(values: Mapping[str, Any]) -> Table:
    shown = Table.grid(padding=(0, 2))
    for name, of_name in values.items():
        shown.add_row(Text(name, style="dim"), Text(_text(of_name)))
    return shown


def _figures(figures: Mapping[str, Mapping[str, Any]]) -> Table:
    shown = output.table("figure", "value", "unit", "interval", "n", right=("value", "n"))
    for figure in figures.values():
        interval = figure["interval"]
        known = figure["status"] == "ok"
        lacks = "needs " + ", ".join(figure["needs"]) if figure["needs"] else figure["status"]
        shown.add_row(
            Text(figure["label"]),
            Text(_text(figure["value"])) if known else Text(lacks, style="yellow"),
            figure["unit"],
            f"{_text(interval[0])} to {_text(interval[1])}" if interval else "exact" * known,
            output.count(figure["n"]) if known else "",
        )
    return shown


def _is_table(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and isinstance(values[0], Mapping)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values by `outer.inner`; lists are left out."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": v for inner, v in _flat(value).items()}
        elif not isinstance(value, list | tuple):
            found[name] = value
    return found


def _table(title: str, rows: list[dict[str, Any]]) -> list[RenderableType]:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    numbers = [c for c in columns if all(isinstance(r.get(c), int | float | None) for r in rows)]
    shown = output.table(*columns, right=tuple(numbers))
    for row in rows[:_ROWS]:
        shown.add_row(*(Text(_text(row.get(c))) for c in columns))
    parts: list[RenderableType] = [Text(title, style="bold"), shown]
    if len(rows) > _ROWS:
        parts.append(Text(f"… and {len(rows) - _ROWS:,} more rows", style="dim"))
    return parts


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 100 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
