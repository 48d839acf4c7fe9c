"""What one agent found, in HTML: the finding, its charts, its figures, its tables."""

from __future__ import annotations

from netra.reports.chart_html import chart_block
from netra.reports.figure_html import figures_table
from netra.reports.formatting import status_text
from netra.reports.markup import Markup, el
from netra.reports.nested_html import table_html
from netra.reports.table import read_table
from netra.schemas.report import Change, Section


def section_block(section: Section, answer: str = "") -> Markup:
    """The chapter; where nothing could be found out it says what is missing.

    A finding that the report's answer holds word for word is not said again.
    """
    tables = [t for t in map(read_table, section.tables) if t is not None]
    heading = el("h2", section.title, id=f"section-{section.id}-title")
    return el(
        "section",
        heading,
        _lacking(section) if section.status != "ok" else None,
        el("p", section.says, class_="finding")
        if section.says and not said_in(section, answer)
        else None,
        el("div", [chart_block(c) for c in section.charts], class_="charts")
        if section.charts
        else None,
        el("div", figures_table(list(section.figures)), class_="block")
        if section.figures
        else None,
        [el("div", table_html(t), class_="block") for t in tables],
        [_change(c) for c in section.changes],
        class_="chapter",
        id=f"section-{section.id}",
        aria_labelledby=f"section-{section.id}-title",
    )


def said_in(section: Section, answer: str) -> bool:
    """Whether the answer at the top holds the finding as it is."""
    return section.status == "ok" and section.says in answer


def _change(change: Change) -> Markup:
    """Folded: long, and wanted only by who applies it."""
    return el(
        "details",
        el("summary", f"How to apply it: {change.kind.replace('-', ' ')}"),
        el("pre", el("code", change.content)),
        class_="block more",
    )


def _lacking(section: Section) -> Markup:
    needs = el("ul", [el("li", need) for need in section.needs]) if section.needs else None
    return el(
        "div",
        el("span", status_text(section.status), class_="badge open"),
        el("p", "It needs:", class_="note") if needs else None,
        needs,
        class_="lacking",
    )
