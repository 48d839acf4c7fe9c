"""Latency, time to first token, tokens and errors: percentiles with intervals, by group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from netra.agents.columns import Floats, Mask
from netra.agents.profiling.sourced import LEVEL, Sourced
from netra.agents.profiling.traffic import Traffic
from netra.agents.profiling.usage import MAX_NAME, spend_order
from netra.analysis.mean import mean
from netra.analysis.percentiles import quantiles
from netra.analysis.proportion import wilson
from netra.schemas.figure import Figure
from netra.schemas.report import Chart

PERCENTILES = (0.5, 0.95, 0.99)
_TIMES = {"latency_ms": "Latency", "ttft_ms": "Time to first token"}
_TOKENS = {"input_tokens": "Input tokens", "output_tokens": "Output tokens"}
#: Rows of a table.
MAX_ROWS = 20
#: Lines of a chart, and points on each.
MAX_LINES, _POINTS = 5, 50


def distribution_figures(traffic: Traffic, sourced: Sourced) -> dict[str, Figure]:
    """Percentiles and means over all events, and the share that failed."""
    figures: dict[str, Figure] = {}
    for column, label in {**_TIMES, **_TOKENS}.items():
        unit = "ms" if column in _TIMES else "tokens"
        short = column.removesuffix("_ms")
        values = traffic.samples[column].known()
        figures |= percentile_figures(short, label, unit, values, column, sourced)
        figures[f"{short}_mean"] = sourced.mean(
            f"{label}, mean", unit, mean(values, LEVEL), len(values), column
        )
    figures["error_rate"] = error_rate(traffic.samples["failed"].known(), sourced)
    return figures


def percentile_figures(
    short: str, label: str, unit: str, values: Floats, column: str, sourced: Sourced
) -> dict[str, Figure]:
    """`{short}_p50` and so on of `values`, no NaN among them."""
    found = quantiles(values, PERCENTILES, LEVEL)
    return {
        f"{short}_p{q * 100:g}": sourced.quantile(
            f"{label}, p{q * 100:g}", unit, one, q, len(values), column
        )
        for q, one in zip(PERCENTILES, found, strict=True)
    }


def error_rate(answers: Floats, sourced: Sourced) -> Figure:
    """The share of requests that failed; `answers` is 1 for each that did and 0 for the others."""
    if not len(answers):
        return sourced.missing("Error rate", "share", ["status"], "status")
    found = wilson(int(answers.sum()), len(answers), LEVEL)
    method = "events whose status is not that of an answer / events with a status"
    return sourced.proportion("Error rate", found, method, "status")


def distribution_tables(traffic: Traffic, sourced: Sourced) -> list[dict[str, Any]]:
    """Percentiles with their intervals by model and by feature, and errors."""
    tables: list[dict[str, Any]] = []
    for column, label in _TIMES.items():
        sample = traffic.samples[column]
        for group in ("model", "feature"):
            if traffic.known[column] and traffic.known[group]:
                rows = [
                    [name, *_percentile_row(sample.known(where))]
                    for name, where in _parts(traffic, group)
                ]
                tables.append(_percentile_table(column, label, group, rows, traffic, sourced))
    for group in ("model", "feature"):
        if traffic.known["failed"] and traffic.known[group]:
            tables.append(_error_table(group, traffic, sourced))
    return tables


def _parts(traffic: Traffic, group: str) -> Iterator[tuple[str, Mask]]:
    codes = traffic.codes(group)
    names = ["(unknown)", *traffic.vocabularies[group].texts]
    for place in spend_order(traffic, group)[:MAX_ROWS]:
        yield names[place][:MAX_NAME], codes == place - 1


def _percentile_row(values: Floats) -> list[Any]:
    row: list[Any] = [len(values)]
    for found in quantiles(values, PERCENTILES, LEVEL):
        row += [found.value, found.low, found.high] if found else [None, None, None]
    return row


def _percentile_table(
    column: str, label: str, group: str, rows: list[list[Any]], traffic: Traffic, sourced: Sourced
) -> dict[str, Any]:
    columns = [(group, ""), ("n", "requests")]
    for q in PERCENTILES:
        name = f"p{q * 100:g}"
        columns += [(name, "ms"), (f"{name} low", "ms"), (f"{name} high", "ms")]
    return sourced.table(
        f"{column.removesuffix('_ms')}_by_{group}",
        f"{label} by {group.replace('_name', '')}",
        columns,
        rows,
        n=traffic.known[column],
        method=f"order statistics; intervals at {LEVEL:.0%} between order statistics (binomial);"
        " empty: too few requests for an interval",
        reads=[column, group],
    )


def _error_table(group: str, traffic: Traffic, sourced: Sourced) -> dict[str, Any]:
    rows: list[list[Any]] = []
    for name, where in _parts(traffic, group):
        answers = traffic.samples["failed"].known(where)
        if len(answers):
            found = wilson(int(answers.sum()), len(answers), LEVEL)
            rows.append([name, found.n, int(answers.sum()), found.value, found.low, found.high])
    columns = [(group, ""), ("n", "requests"), ("failed", "requests")]
    columns += [("error rate", "share"), ("low", "share"), ("high", "share")]
    return sourced.table(
        f"errors_by_{group}",
        f"Errors by {group.replace('_name', '')}",
        columns,
        rows,
        n=traffic.known["failed"],
        method=f"failed / requests with a status; Wilson intervals at {LEVEL:.0%}",
        reads=["status", group],
    )


def distribution_charts(traffic: Traffic) -> list[Chart]:
    """The quantiles of latency by model, and of tokens."""
    charts: list[Chart] = []
    for column, label in _TIMES.items():
        if not traffic.known[column]:
            continue
        sample = traffic.samples[column]
        lines = [("all requests", sample.known())]
        if len(traffic.vocabularies["model"]) > 1:
            parts = list(_parts(traffic, "model"))[:MAX_LINES]
            lines += [(name, sample.known(where)) for name, where in parts]
        charts.append(
            _quantile_chart(
                f"{column.removesuffix('_ms')}_quantiles",
                f"{label} by model",
                f"{label}, ms",
                lines,
            )
        )
    lines = [(label, traffic.samples[column].known()) for column, label in _TOKENS.items()]
    if any(len(values) for _, values in lines):
        charts.append(_quantile_chart("token_quantiles", "Tokens per request", "tokens", lines))
    return charts


def _quantile_chart(
    chart_id: str, title: str, y_label: str, lines: list[tuple[str, Floats]]
) -> Chart:
    at = np.linspace(0.01, 0.99, _POINTS)
    series = tuple(
        {"name": name, "x": at.round(4).tolist(), "y": np.quantile(values, at).tolist()}
        for name, values in lines
        if len(values) >= _POINTS
    )
    return Chart(
        id=chart_id,
        title=title,
        kind="line",
        x_label="share of requests at or below",
        y_label=y_label,
        series=series,
        y_scale="log" if all(min(s["y"]) > 0 for s in series) else "linear",
        caption="Each line is a distribution: its middle is the median, its right end the tail.",
    )
