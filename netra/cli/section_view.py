"""One agent's finding on a terminal: what it says, its figures, its tables, how to apply it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from netra.cli import output
from netra.cli.content_view import render
from netra.cli.plan_view import figures_table, finding
from netra.reports.table import Table as ReportTable
from netra.reports.table import cell_text, read_table
from netra.schemas.report import Section

#: Rows of a table that are shown.
_ROWS = 20


def render_finding(content: Mapping[str, Any]) -> Group:
    """An agent's chapter of the report where it has one, else whatever it left.

    `--json` has all of it, `--out` draws the charts.
    """
    raw = content.get("section")
    if raw is None:
        return render(content)
    section = msgspec.convert(raw, Section)
    parts: list[RenderableType] = [finding(section)]
    if section.figures:
        parts += ["", figures_table(section.figures)]
    for table in map(read_table, section.tables):
        if table is not None:
            parts += ["", Text(table.title, style="bold"), _table(table)]
    for change in section.changes:
        parts += ["", Text(f"how to apply it: {change.kind}", style="bold"), Text(change.content)]
    return Group(*parts)


def _table(table: ReportTable) -> Table:
    names = [c.name for c in table.columns]
    shown = output.table(*names, right=tuple(c.name for c in table.columns if c.numeric))
    for row in table.rows[:_ROWS]:
        cells = zip(row, table.columns, strict=True)
        shown.add_row(*(Text(cell_text(value, column.unit)) for value, column in cells))
    if len(table.rows) > _ROWS:
        shown.caption = f"the first {_ROWS} of {len(table.rows)} rows"
    return shown
