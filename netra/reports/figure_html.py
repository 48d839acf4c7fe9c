"""A figure in HTML: its value at a glance, and everything behind it one click away."""

from __future__ import annotations

from collections.abc import Sequence

from netra.reports.formatting import (
    NBSP,
    SHARES,
    format_count,
    format_figure,
    format_interval,
    format_value,
)
from netra.reports.markup import Child, Markup, el
from netra.schemas.figure import Figure, Source


def figure_card(figure: Figure) -> Markup:
    """A tile for the headline."""
    return el("div", labelled(figure), class_="card")


def figures_table(figures: Sequence[Figure]) -> Markup:
    """Many figures, one a row: what is known first."""
    ordered = sorted(figures, key=lambda f: f.status != "ok")
    head = el("tr", [el("th", h, scope="col") for h in ("Figure", "Value", "Spread", "")])
    rows = [
        el(
            "tr",
            el("td", f.label or f.unit),
            el("td", number(f), class_="value" if f.status == "ok" else "needs"),
            el("td", spread(f)),
            el("td", how(f)),
        )
        for f in ordered
    ]
    table = el("table", el("thead", head), el("tbody", rows), class_="figures")
    return el("div", table, class_="scroll")


def labelled(figure: Figure) -> Markup:
    """Label, number, spread and provenance, one below the other."""
    none = "" if figure.status == "ok" else " none"
    return el(
        "div",
        el("div", figure.label or figure.unit, class_="label"),
        el("div", number(figure), class_=f"number{none}"),
        spread(figure),
        how(figure),
    )


def number(figure: Figure) -> Markup:
    """The value; its unrounded form is the tooltip."""
    exact = None if figure.value is None else f"{figure.value!r} {figure.unit}"
    value, space, unit = format_figure(figure).partition(NBSP)
    # A word after the number is smaller than the number; a sign (%, s) belongs to it.
    if figure.status == "ok" and len(unit) > 2:
        return el("span", value, el("span", space, unit, class_="unit"), title=exact)
    return el("span", format_figure(figure), title=exact)


def spread(figure: Figure) -> Markup | None:
    """The interval and the sample size, or what is missing."""
    if figure.status != "ok":
        return (
            el("div", f"needs {'; '.join(figure.needs)}", class_="needs") if figure.needs else None
        )
    parts: list[Child] = []
    if figure.interval is not None:
        level = format_value(figure.level, "share").replace(".0", "")
        parts.append(f"{level} interval {format_interval(*figure.interval, figure.unit)}")
    if figure.n:
        between = " · " if parts else None
        parts += [between, el("span", f"n = {format_count(figure.n)}", class_="n")]
    return el("div", parts, class_="spread") if parts else None


def how(figure: Figure) -> Markup:
    """Method, sample and source, folded."""
    rows: list[Child] = []

    def row(name: str, value: Child) -> None:
        rows.append([el("dt", name), el("dd", value)])

    row("Method", figure.method or "not recorded")
    if figure.value is not None and figure.unit not in SHARES:
        row("Exact value", f"{figure.value!r} {figure.unit}")
    if figure.n:
        row("Sample", f"{format_count(figure.n)} observations")
    if figure.interval is None and figure.status == "ok":
        row("Interval", "none: counted or computed on all of the sample")
    if figure.source is not None:
        row("Source", source_text(figure.source))
        if figure.source.columns:
            row("Columns", el("code", ", ".join(figure.source.columns)))
        if figure.source.filter:
            said = ", ".join(f"{k} = {v}" for k, v in figure.source.filter.items())
            row("Filter", el("code", said))
    return el("details", el("summary", "How computed"), el("dl", rows), class_="how")


def source_text(source: Source) -> str:
    return f"{source.query} of workload {source.workload_id}"
