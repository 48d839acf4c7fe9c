"""JSON of any shape in HTML: figures, tables and lists where they are that, else name and value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netra.reports.figure_html import how, number, spread
from netra.reports.formatting import format_count
from netra.reports.markup import Markup, el
from netra.reports.read import as_figure
from netra.reports.table import Column, Table, cell_text, read_table


def nested_html(value: Any, depth: int = 0) -> Markup:
    """Whatever a report's open fields hold; deeper than six levels it is written as one line."""
    if (figure := as_figure(value)) is not None:
        return el("div", el("b", number(figure)), spread(figure), how(figure))
    if (table := read_table(value)) is not None:
        return table_html(table)
    if depth > 6:
        return el("span", cell_text(value, ""))
    if isinstance(value, Mapping):
        return _mapping(value, depth)
    if isinstance(value, list | tuple):
        if not value:
            return el("span", "none", class_="muted")
        return el("div", el("ul", [el("li", nested_html(v, depth + 1)) for v in value]),
                  class_="nested")  # fmt: skip
    return el("bdi", cell_text(value, ""))


def _mapping(value: Mapping[str, Any], depth: int) -> Markup:
    """Short values as a list of names and values; long ones below, each under its name."""
    names = {k: el("bdi", str(k).replace("_", " ")) for k in value}
    long = [k for k, v in value.items() if _is_long(v)]
    short = [[el("dt", names[k]), el("dd", nested_html(value[k], depth + 1))]
             for k in value if k not in long]  # fmt: skip
    return el(
        "div",
        el("dl", short) if short else None,
        [
            [None if _titled(value[k]) else el("h4", names[k]), nested_html(value[k], depth + 1)]
            for k in long
        ],
        class_="nested",
    )


def _is_long(value: Any) -> bool:
    if as_figure(value) is not None:
        return False
    return read_table(value) is not None or (
        isinstance(value, Mapping | list | tuple)
        and any(isinstance(v, Mapping | list | tuple) or len(str(v)) > 60 for v in _items(value))
    )


def _items(value: Mapping[str, Any] | list[Any] | tuple[Any, ...]) -> list[Any]:
    return list(value.values()) if isinstance(value, Mapping) else list(value)


def _titled(value: Any) -> bool:
    table = read_table(value)
    return table is not None and bool(table.title)


def table_html(table: Table) -> Markup:
    """Numbers right-aligned, method and sample below."""
    head = [el("th", c.name, scope="col", class_="num" if c.numeric else None)
            for c in table.columns]  # fmt: skip
    body = [el("tr", [_cell(v, c) for v, c in zip(row, table.columns, strict=True)])
            for row in table.rows]  # fmt: skip
    n = f"n = {format_count(table.n)}" if table.n is not None else ""
    below = [part for part in (table.method, n, table.note) if part]
    return el(
        "div",
        el(
            "table",
            el("caption", table.title) if table.title else None,
            el("thead", el("tr", head)),
            el("tbody", body),
        ),
        el("p", " · ".join(below), class_="note") if below else None,
        class_="scroll",
    )


def _cell(value: Any, column: Column) -> Markup:
    classes = ["num"] if column.numeric else []
    if (figure := as_figure(value)) is not None:
        classes += ["none"] if figure.status != "ok" else []
        folded = how(figure) if figure.method or figure.source else None
        return el("td", number(figure), spread(figure), folded, class_=" ".join(classes) or None)
    if value is None:
        classes.append("none")
    text = cell_text(value, column.unit)
    return el("td", el("bdi", text), class_=" ".join(classes) or None)
