"""The report as one HTML file that needs nothing else: no script, no font, no image, no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netra.reports import sections
from netra.reports.markup import Markup, el, join
from netra.reports.read import as_report
from netra.reports.section_html import section_block
from netra.reports.style import STYLE
from netra.schemas.report import Report

#: A browser that obeys it would refuse whatever this file might be made to load or run.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def render_html(report: Report | Mapping[str, Any]) -> str:
    """The whole file as text.

    Raises:
        InvalidInput: `report` is a mapping that is not a report.
    """
    report = as_report(report)
    title = _title(report)
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", f"{title} · Netra report"),
        el("style", Markup(STYLE)),
    )
    body = el(
        "body",
        _top(report, title),
        el(
            "main",
            sections.answer(report),
            sections.headline(report),
            sections.goal(report),
            sections.recommendations(report),
            [section_block(s, report.answer) for s in report.sections],
            sections.charts(report),
            sections.profile(report),
            sections.data_quality(report),
            sections.method(report),
        ),
        _footer(report),
    )
    return join((Markup("<!doctype html>\n"), el("html", head, body, lang="en"), "\n"))


def _title(report: Report) -> str:
    """The goal in the user's own words, where there are any."""
    return str(report.goal.get("text") or "").strip() or "What this workload's traffic shows"


def _top(report: Report, title: str) -> Markup:
    meta = [
        el("li", el("bdi", str(line)))
        for line in report.method.get("about", ())
        if str(line).strip()
    ]
    return el(
        "header",
        el("div", el("b", "Netra"), el("span", "Workload report"), class_="brand"),
        el("h1", el("bdi", title)),
        el("ul", meta, class_="meta") if meta else None,
        class_="top",
    )


def _footer(report: Report) -> Markup:
    return el(
        "footer",
        el("p", "Every number above was computed from the workload's own events. “How computed” "
                "below a number gives its method, sample and source; where the events cannot "
                "support a number, the report says what is missing."),
        el("p", f"Job {report.job_id}"),
    )  # fmt: skip
