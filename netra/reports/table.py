"""Tables within a report's JSON: `{"title", "columns": [{"name", "unit"?}], "rows": [[…]]}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netra.reports.formatting import SHARES, format_figure, format_value
from netra.reports.read import as_figure


@dataclass(frozen=True, kw_only=True)
class Column:
    name: str
    #: Unit of its numbers; empty: text, or numbers without one.
    unit: str = ""
    numeric: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    #: How its numbers were computed, and from what.
    method: str = ""
    #: How many events they rest on, where that is one number.
    n: int | None = None
    note: str = ""


def read_table(value: Any) -> Table | None:
    """The table that this JSON is, or None.

    Understood are the shape above and a plain list of objects, whose keys become columns.
    """
    if isinstance(value, Mapping) and "columns" in value and "rows" in value:
        columns = [_column(c) for c in value["columns"]]
        rows = [tuple(row) for row in value["rows"]]
        n = value.get("n")
        return _typed(
            str(value.get("title", "")),
            columns,
            rows,
            method=str(value.get("method", "")),
            n=n if isinstance(n, int) else None,
            note=str(value.get("note", "")),
        )
    if isinstance(value, list | tuple) and value and all(_is_row(v) for v in value):
        names = list(dict.fromkeys(str(k) for row in value for k in row))
        rows = [tuple(row.get(name) for name in names) for row in value]
        return _typed("", [Column(name=name.replace("_", " ")) for name in names], rows)
    return None


def cell_text(value: Any, unit: str) -> str:
    """A cell as one line of text."""
    if (figure := as_figure(value)) is not None:
        return format_figure(figure)
    match value:
        case None:
            return "unknown"
        case bool():
            return "yes" if value else "no"
        case int() | float():
            # What is counted stands in the header; only signs and scales belong to the number.
            return format_value(value, unit if _is_sign(unit) else "")
        case Mapping():
            return ", ".join(f"{k}: {cell_text(v, '')}" for k, v in value.items())
        case list() | tuple():
            return ", ".join(cell_text(v, "") for v in value)
        case _:
            return str(value)


def _is_row(value: Any) -> bool:
    """An object that is neither a figure nor a table itself."""
    return (
        isinstance(value, Mapping)
        and as_figure(value) is None
        and not ("columns" in value and "rows" in value)
    )


def _is_sign(unit: str) -> bool:
    return unit in SHARES or unit in ("%", "ms", "s") or unit.startswith("USD")


def _column(raw: Any) -> Column:
    if isinstance(raw, Mapping):
        name = str(raw.get("label") or raw.get("name") or "").replace("_", " ")
        return Column(name=name, unit=str(raw.get("unit") or ""))
    return Column(name=str(raw))


def _typed(
    title: str,
    columns: list[Column],
    rows: list[tuple[Any, ...]],
    *,
    method: str = "",
    n: int | None = None,
    note: str = "",
) -> Table:
    """Marks the columns that hold numbers, and leaves out those in which nothing is known."""
    width = len(columns)
    even = [(*row, *[None] * width)[:width] for row in rows]
    known = [i for i in range(width) if not even or any(row[i] is not None for row in even)]
    if len(known) < width:
        absent = ", ".join(c.name for i, c in enumerate(columns) if i not in known)
        note = "; ".join(filter(None, (note, f"not recorded: {absent}")))
    columns = [columns[i] for i in known]
    even = [tuple(row[i] for i in known) for row in even]
    typed = tuple(
        Column(name=c.name, unit=c.unit, numeric=_numeric([row[i] for row in even]))
        for i, c in enumerate(columns)
    )
    return Table(title=title, columns=typed, rows=tuple(even), method=method, n=n, note=note)


def _numeric(cells: list[Any]) -> bool:
    known = [c for c in cells if c is not None]
    return bool(known) and all(
        (isinstance(c, int | float) and not isinstance(c, bool)) or as_figure(c) is not None
        for c in known
    )
