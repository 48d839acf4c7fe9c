"""A report's gist on a terminal: the answer, the headline figures, what to do."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from netra.cli.output import count, table
from netra.reports.formatting import format_figure, format_interval
from netra.schemas.figure import Figure
from netra.schemas.report import Report, Section


def gist(report: Report) -> Group:
    """Everything in it stands in the report too."""
    parts: list[RenderableType] = [Text(report.answer), "", figures_table(report.headline)]
    if report.recommendations:
        parts += ["", _recommendations(report)]
    for section in report.sections:
        parts += ["", finding(section)]
    return Group(*parts)


def finding(section: Section) -> Text:
    """A chapter's title and what it says, with what it lacks."""
    said = Text.assemble((f"{section.title}: ", "bold"), section.says)
    if section.needs:
        said.append(f" Needs {', '.join(section.needs)}.", style="yellow")
    return said


def figures_table(figures: Sequence[Figure]) -> Table:
    """Figures one a row."""
    shown = table("figure", "value", "interval", "n", right=("value", "n"))
    for figure in figures:
        shown.add_row(figure.label, _value(figure), _interval(figure), _n(figure))
    return shown


def _recommendations(report: Report) -> Table:
    shown = table(
        "recommendation", "saves", "on traffic it has not seen", "n", right=("saves", "n")
    )
    for r in report.recommendations:
        verified = Text.assemble(_value(r.backtest), "  ", (_interval(r.backtest), "dim"))
        shown.add_row(r.title, _value(r.saving), verified, _n(r.backtest))
    return shown


def _value(figure: Figure) -> Text:
    if figure.status == "ok":
        return Text(format_figure(figure), style="bold")
    said = format_figure(figure)
    if figure.needs:
        said += f": needs {', '.join(figure.needs)}"
    return Text(said, style="yellow")


def _interval(figure: Figure) -> str:
    if figure.status != "ok":
        return ""
    if figure.interval is None:
        return "exact"
    return f"{format_interval(*figure.interval, figure.unit)} ({figure.level:.0%})"


def _n(figure: Figure) -> str:
    return count(figure.n) if figure.n else ""
