"""A report with one of everything, and a name that would like to be a script."""

from __future__ import annotations

from typing import Any

import msgspec

from netra.schemas.figure import Figure, Source, missing
from netra.schemas.report import Change, Chart, Mark, Recommendation, Report, Section

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'


def figure(value: float, unit: str, label: str, method: str, **more: Any) -> Figure:
    source = Source(
        workload_id="w-1",
        query="events of the verify part",
        columns=("model", "input_tokens"),
        filter={"feature": HOSTILE},
    )
    return Figure(value=value, unit=unit, label=label, method=method, source=source, **more)


CHARTS = (
    Chart(
        id="curve",
        title="Hit ratio",
        kind="step",
        x_label="Capacity (blocks)",
        y_label="Hit ratio (share)",
        x_scale="log",
        series=(
            {"name": "LRU", "x": [10, 100, 1000], "y": [0.1, 0.2, 0.3]},
            {"name": "knee", "x": [100], "y": [0.2], "style": "point"},
        ),
        caption="It flattens.",
    ),
    Chart(
        id="models",
        title="Cost by model",
        kind="bar",
        x_label="Model",
        y_label="Cost (USD)",
        series=({"name": "cost", "x": ["a", HOSTILE], "y": [12.5, 3.25]},),
    ),
    Chart(
        id="week",
        title="Week",
        kind="heatmap",
        x_label="Hour",
        y_label="Requests",
        series=({"x": ["0", "1"], "y": ["Mon", HOSTILE], "z": [[1, None], [3, 4]]},),
    ),
    Chart(
        id="spread",
        title="Saving by session",
        kind="histogram",
        x_label="Saving (share)",
        y_label="Sessions",
        series=({"name": "sessions", "x": [0.0, 0.5, 1.0], "y": [3, 4]},),
    ),
    Chart(
        id="hours",
        title="Requests",
        kind="line",
        x_label="Time",
        y_label="Requests",
        series=(
            {"name": "one", "x": ["2026-11-01T00:00:00Z", "2026-11-01T06:00:00Z"], "y": [1, 2]},
            {"name": "two", "x": ["2026-11-01T00:00:00Z"], "y": [5], "style": "dashed"},
        ),
    ),
)

RECOMMENDATION = Recommendation(
    id="prompt_caching",
    lever="prompt_caching",
    title="Cache prompts for one hour",
    baseline=figure(200.0, "USD", "Cost of the unseen part", "METHOD-baseline", n=40),
    projected=figure(50.0, "USD", "Cost with the change", "METHOD-projected", n=40),
    saving=figure(0.8, "share", "Saving where it was chosen", "METHOD-saving", n=60),
    backtest=figure(
        0.75, "share", "Saving on unseen traffic", "METHOD-backtest", n=40, interval=(0.7, 0.79)
    ),
    evidence=(figure(0.9, "share", "Repeated input", "METHOD-evidence", n=100),),
    change=Change(kind="json", content='{"ttl": "1h", "fence": "```"}'),
    rollback="Remove it.",
    risk="Low.",
    effort="One line.",
)

SECTIONS = (
    Section(
        id="capacity",
        title=f"Capacity of {HOSTILE}",
        says="Four replicas hold the limit.",
        figures=(figure(4.0, "replicas", "Replicas", "METHOD-section", n=100),),
        tables=(
            {
                "title": "Front",
                "columns": [{"name": "Fleet"}, {"name": "Cost", "unit": "USD"}],
                "rows": [[HOSTILE, 9.5]],
                "method": "METHOD-section-table",
                "n": 3,
            },
        ),
        changes=(Change(kind="vllm", content="vllm serve a-model # ```"),),
        charts=(
            Chart(
                id="front",
                title="Cost and time to first token",
                kind="line",
                x_label="Cost (USD/hour)",
                y_label="p95 time to first token (s)",
                series=(
                    {"name": "fleets", "x": [4, 8, 16], "y": [3.0, 1.0, 0.5], "style": "dots"},
                ),
                marks=(
                    Mark(axis="y", at=1.5, label=f"limit {HOSTILE}"),
                    Mark(axis="x", at=8, label="chosen"),
                ),
            ),
        ),
    ),
    Section(
        id="demand",
        title="Demand",
        says="One day is too short.",
        status="insufficient_data",
        needs=("14 days of history",),
    ),
)

REPORT = Report(
    job_id="job-1",
    answer=f"Cache prompts of {HOSTILE} for one hour.",
    headline=(
        figure(150.0, "USD", "Saved", "METHOD-headline", n=40, interval=(140.0, 158.0)),
        missing("cost_usd", "cached_input_tokens", unit="USD", label="Paid today"),
    ),
    recommendations=(RECOMMENDATION,),
    profile={
        "figures": [msgspec.to_builtins(figure(100, "requests", "Requests", "METHOD-profile"))],
        "tables": [
            {
                "title": "By feature",
                "columns": [{"name": "Feature"}, {"name": "Cost", "unit": "USD"}],
                "rows": [
                    [HOSTILE, 1.5],
                    ["plain", None],
                    ["figure", msgspec.to_builtins(figure(2, "USD", "", "METHOD-cell"))],
                ],
                "method": "METHOD-table",
                "n": 100,
            }
        ],
    },
    data_quality={"columns": [{"column": HOSTILE, "known": 0.5}], "left_out": "2 rows"},
    method={"about": [f"Workload {HOSTILE}"], "seed": 7, "split": {"by": "session"}},
    charts=CHARTS,
    sections=SECTIONS,
    goal={
        "text": f"Cut cost of {HOSTILE}",
        "assumptions": ["read as written"],
        "items": [
            {
                "text": "cost −20 %",
                "status": "met",
                "note": HOSTILE,
                "figures": [msgspec.to_builtins(figure(-0.75, "share", "", "METHOD-goal"))],
            },
            {"text": "quality", "status": "insufficient_data", "figures": []},
        ],
    },
)

#: The method of every figure and table above: each must be found in what is rendered.
METHODS = tuple(
    f"METHOD-{name}"
    for name in (
        "baseline", "projected", "saving", "backtest", "evidence",
        "headline", "profile", "cell", "table", "goal", "section", "section-table",
    )
)  # fmt: skip
