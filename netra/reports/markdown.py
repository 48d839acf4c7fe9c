"""The report as Markdown: for issues, mail and terminals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from netra.reports.formatting import (
    format_count,
    format_figure,
    format_interval,
    format_value,
    status_text,
)
from netra.reports.read import as_figure, as_report
from netra.reports.section_html import said_in
from netra.reports.table import Table, cell_text, read_table
from netra.schemas.figure import Figure
from netra.schemas.report import Change, Chart, Recommendation, Report, Section

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def render_markdown(report: Report | Mapping[str, Any]) -> str:
    """The whole report; each figure is followed by its sample, method and source.

    Raises:
        InvalidInput: `report` is a mapping that is not a report.
    """
    report = as_report(report)
    title = str(report.goal.get("text") or "").strip() or "What this workload's traffic shows"
    about = [f"- {escape(str(line))}" for line in report.method.get("about", ())]
    parts = [
        [f"# {escape(title)}"],
        about,
        [escape(report.answer)],
        _list(report.headline),
        _goal(report),
        *[_recommendation(r) for r in report.recommendations],
        *[_section(s, report.answer) for s in report.sections],
        _charts(report.charts),
        _open("The workload", report.profile),
        _open("What the workload records", report.data_quality),
        _open(
            "How to compute this again", {k: v for k, v in report.method.items() if k != "about"}
        ),
        [f"Job {escape(report.job_id)}"],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def figure_line(figure: Figure) -> str:
    """Value, interval, sample, method and source of a figure, one line."""
    parts = [f"**{escape(format_figure(figure))}**"]
    if figure.status == "ok" and figure.interval is not None:
        level = format_value(figure.level, "share").replace(".0", "")
        parts.append(f"{level} interval {format_interval(*figure.interval, figure.unit)}")
    if figure.needs:
        parts.append(f"needs {escape('; '.join(figure.needs))}")
    if figure.n:
        parts.append(f"n = {format_count(figure.n)}")
    line = ", ".join(parts)
    if figure.method:
        line += f". Method: {escape(figure.method)}"
    if figure.source is not None:
        line += f". Source: {escape(figure.source.query)}"
        if figure.source.filter:
            said = ", ".join(f"{k} = {v}" for k, v in figure.source.filter.items())
            line += f" ({escape(said)})"
    return line


def _list(figures: Sequence[Figure]) -> list[str]:
    return [f"- {escape(f.label or f.unit)}: {figure_line(f)}" for f in figures]


def _goal(report: Report) -> list[str]:
    lines: list[str] = []
    for item in report.goal.get("items", ()):
        status = status_text(str(item.get("status", "")))
        note = f": {escape(str(item['note']))}" if item.get("note") else ""
        lines.append(f"- {escape(str(item.get('text', '')))}: **{status}**{note}")
        found = [f for f in map(as_figure, item.get("figures", ())) if f is not None]
        lines += [f"  {line}" for line in _list(found)]
    assumptions = [f"- {escape(str(a))}" for a in report.goal.get("assumptions", ())]
    if assumptions:
        lines += ["", "How the goal was read:", "", *assumptions]
    return ["## What was asked, and what holds", "", *lines] if lines else []


def _recommendation(rec: Recommendation) -> list[str]:
    lines = [f"## {escape(rec.title)}", ""]
    for name, figure in (
        (rec.baseline.label or "Today", rec.baseline),
        ("With the change", rec.projected),
        ("Saving where it was chosen", rec.saving),
        ("Saving on unseen traffic", rec.backtest),
    ):
        lines.append(f"- {name}: {figure_line(figure)}")
    lines += _list(rec.evidence)
    lines += ["", *_fenced(rec.change), ""]
    for name, text in (("Roll back", rec.rollback), ("Risk", rec.risk), ("Effort", rec.effort)):
        if text:
            lines.append(f"- {name}: {escape(text)}")
    return lines


def _fenced(change: Change) -> list[str]:
    """The configuration between fences longer than any in it."""
    inside = max((len(m) for m in re.findall(r"`+", change.content)), default=0)
    fence = "`" * max(3, 1 + inside)
    return [f"{fence}{escape(change.kind)}", change.content, fence]


def _section(section: Section, answer: str) -> list[str]:
    lines = [f"## {escape(section.title)}", ""]
    if section.status != "ok":
        lines.append(f"**{status_text(section.status)}**")
        lines += [f"- needs {escape(need)}" for need in section.needs]
    if section.says and not said_in(section, answer):
        lines += [escape(section.says), ""]
    lines += _list(section.figures)
    for table in map(read_table, section.tables):
        if table is not None:
            lines += ["", *_table(table, "")]
    for change in section.changes:
        lines += ["", *_fenced(change)]
    named = _chart_lines(section.charts)
    return [*lines, "", *named] if named else lines


def _charts(charts: Sequence[Chart]) -> list[str]:
    """Charts are drawn in the HTML report; here they are named, with what there is to see."""
    lines = _chart_lines(charts)
    return ["## Charts", "", *lines] if lines else []


def _chart_lines(charts: Sequence[Chart]) -> list[str]:
    return [f"- {escape(c.title)}: {escape(c.caption or 'see the HTML report')}" for c in charts]


def _open(title: str, content: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, value in content.items():
        lines += _value(name.replace("_", " "), value)
    return [f"## {title}", "", *lines] if lines else []


def _value(name: str, value: Any) -> list[str]:
    if (figure := as_figure(value)) is not None:
        return [f"- {escape(figure.label or name)}: {figure_line(figure)}"]
    if (table := read_table(value)) is not None:
        return ["", *_table(table, name), ""]
    if isinstance(value, list | tuple) and any(isinstance(v, Mapping | list) for v in value):
        return [line for i, v in enumerate(value, 1) for line in _value(f"{name} {i}", v)]
    if isinstance(value, Mapping) and any(isinstance(v, Mapping | list) for v in value.values()):
        return [line for k, v in value.items() for line in _value(f"{name}: {k}", v)]
    return [f"- {escape(name)}: {escape(cell_text(value, '') or 'none')}"]


def _table(table: Table, name: str) -> list[str]:
    lines = [f"**{escape(table.title or name)}**", ""]
    lines.append("| " + " | ".join(escape(c.name) for c in table.columns) + " |")
    lines.append("|" + "|".join("---:" if c.numeric else "---" for c in table.columns) + "|")
    for row in table.rows:
        cells = (escape(cell_text(v, c.unit)) for v, c in zip(row, table.columns, strict=True))
        lines.append("| " + " | ".join(cells) + " |")
    n = f"n = {format_count(table.n)}" if table.n is not None else ""
    below = [escape(part) for part in (table.method, n, table.note) if part]
    return [*lines, "", " · ".join(below)] if below else lines
