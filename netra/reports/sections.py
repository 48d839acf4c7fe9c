"""The report's sections in HTML, one function each; an empty section is None."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netra.reports.chart_html import chart_block
from netra.reports.figure_html import figure_card, figures_table, how, labelled, number, spread
from netra.reports.formatting import format_figure, format_value, status_text
from netra.reports.markup import Child, Markup, el
from netra.reports.nested_html import nested_html, table_html
from netra.reports.read import as_figure
from netra.reports.svg import draw
from netra.reports.table import read_table
from netra.schemas.figure import Figure
from netra.schemas.report import Chart, Recommendation, Report

#: The class of a goal status' badge.
_BADGES = {
    "met": "good",
    "answered": "good",
    "not_met": "bad",
    "given": "open",
    "insufficient_data": "open",
    "not_supported": "open",
}


def answer(report: Report) -> Markup:
    return el("section", el("p", report.answer), class_="answer", aria_label="Answer")


def headline(report: Report) -> Markup | None:
    if not report.headline:
        return None
    return el("div", [figure_card(f) for f in report.headline], class_="cards")


def goal(report: Report) -> Markup | None:
    """Each objective, constraint and question, and whether the plan meets it."""
    items = [i for i in report.goal.get("items", ()) if isinstance(i, Mapping)]
    assumptions = [str(a) for a in report.goal.get("assumptions", ())]
    if not items and not assumptions:
        return None
    head = el("tr", [el("th", h) for h in ("Asked", "Status", "What the workload shows")])
    body = [_goal_row(item) for item in items]
    read = el("ul", [el("li", a) for a in assumptions]) if assumptions else None
    return _section(
        "What was asked, and what holds",
        "goal",
        el(
            "div",
            el("div", el("table", el("thead", head), el("tbody", body)), class_="scroll")
            if body
            else None,
            [
                el("p", "How the goal was read:", class_="note"),
                el("div", read, class_="nested note"),
            ]
            if read
            else None,
            class_="block",
        ),
    )


def _goal_row(item: Mapping[str, Any]) -> Markup:
    status = str(item.get("status", ""))
    found = [f for f in map(as_figure, item.get("figures", ())) if f is not None]
    shown: list[Child] = []
    if note := item.get("note"):
        shown.append(el("div", str(note)))
    shown += [_small(f) for f in found]
    badge = el("span", status_text(status), class_=f"badge {_BADGES.get(status, '')}".strip())
    return el(
        "tr", el("td", el("bdi", str(item.get("text", "")))), el("td", badge), el("td", shown)
    )


def _small(figure: Figure) -> Markup:
    return el(
        "div",
        el("b", number(figure)),
        f" {figure.label}" if figure.label else None,
        spread(figure),
        how(figure),
        class_="small",
    )


def recommendations(report: Report) -> Markup | None:
    if not report.recommendations:
        if report.sections and not report.goal.get("items"):
            # Nothing was to be changed: the chapters are the answer.
            return None
        note = el("p", "No change is recommended. The answer above says why.", class_="muted")
        return _section("Recommendations", "recommendations", note)
    cards = [recommendation(r) for r in report.recommendations]
    return _section("Recommendations", "recommendations", cards)


def recommendation(rec: Recommendation) -> Markup:
    """One action: what it gains, on what evidence, how to apply and undo it."""
    compared = draw(_before_after(rec))
    texts = (("Roll back", rec.rollback), ("Risk", rec.risk), ("Effort", rec.effort))
    return el(
        "article",
        el("header", el("h3", rec.title), _gain(rec.backtest)),
        el("span", rec.lever.replace("_", " "), class_="badge"),
        el("div", compared, class_="plot before-after") if compared else None,
        el(
            "div",
            [labelled(f) for f in (rec.baseline, rec.projected, rec.backtest, rec.saving)],
            class_="four",
        ),
        [el("h4", "Evidence"), el("div", [labelled(f) for f in rec.evidence], class_="four")]
        if rec.evidence
        else None,
        el("h4", f"The change ({rec.change.kind})"),
        el("pre", el("code", rec.change.content)),
        el("h4", "Before you apply it"),
        el("dl", [[el("dt", name), el("dd", text)] for name, text in texts if text]),
        class_="block rec",
        id=f"recommendation-{rec.id}",
    )


def _gain(backtest: Figure) -> Markup:
    """What the change saved on unseen traffic, in the corner where the eye looks first."""
    value = backtest.value
    if backtest.status != "ok" or value is None:
        said, kind = format_figure(backtest), " none"
    elif value < 0:
        said, kind = f"costs {format_value(-value, backtest.unit)} more", " bad"
    else:
        said, kind = f"saves {format_figure(backtest)}", ""
    return el(
        "div", el("span", said, class_=f"gain{kind}"), el("div", backtest.label, class_="spread")
    )


def _known(figure: Figure) -> bool:
    return figure.status == "ok" and figure.value is not None


def _before_after(rec: Recommendation) -> Chart:
    pair = [("today", rec.baseline), ("with the change", rec.projected)]
    pair = [(name, f) for name, f in pair if _known(f)]
    same_unit = rec.baseline.unit == rec.projected.unit
    whole = len(pair) == 2 and same_unit
    return Chart(
        id=f"{rec.id}-before-after",
        title=f"{rec.baseline.label or 'Before'}, before and after",
        kind="bar",
        x_label="",
        y_label=f"{rec.baseline.label or 'Value'} ({rec.baseline.unit})",
        series=(
            {
                "name": "value",
                "x": [name for name, _ in pair],
                "y": [f.value for _, f in pair],
                "lower": [f.interval[0] if f.interval else None for _, f in pair],
                "upper": [f.interval[1] if f.interval else None for _, f in pair],
                "colours": [6, 1],
            },
        )
        if whole
        else (),
    )


def charts(report: Report) -> Markup | None:
    if not report.charts:
        return None
    drawn = [chart_block(c) for c in report.charts]
    return _section("Charts", "charts", el("div", drawn, class_="charts"))


def profile(report: Report) -> Markup | None:
    """Figures one a row, tables below, anything else as it is."""
    content = dict(report.profile)
    figures = [f for f in map(as_figure, content.pop("figures", ())) if f is not None]
    tables = [t for t in map(read_table, content.pop("tables", ())) if t is not None]
    if not (figures or tables or content):
        return None
    return _section(
        "The workload",
        "profile",
        el("div", figures_table(figures), class_="block") if figures else None,
        [el("div", table_html(t), class_="block") for t in tables],
        el("div", nested_html(content), class_="block") if content else None,
    )


def data_quality(report: Report) -> Markup | None:
    if not report.data_quality:
        return None
    return _section(
        "What the workload records",
        "data-quality",
        el("div", nested_html(report.data_quality), class_="block"),
    )


def method(report: Report) -> Markup | None:
    if not report.method:
        return None
    return _section(
        "How to compute this again",
        "method",
        el(
            "div",
            el(
                "details",
                el("summary", "Agents, versions, prices, seeds, split and queries"),
                nested_html(report.method),
                class_="more",
            ),
            class_="block",
        ),
    )


def _section(title: str, id_: str, *content: Child) -> Markup:
    return el("section", el("h2", title, id=f"{id_}-title"), *content,
              id=id_, aria_labelledby=f"{id_}-title")  # fmt: skip
