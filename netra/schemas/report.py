"""What a person reads: recommendations and the report. Shapes fixed by other programs."""

from __future__ import annotations

from typing import Any

import msgspec

from netra.schemas.figure import Figure


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration that applies a recommendation."""

    #: `json`, `python`, `vllm-flags`, `kubernetes`, …
    kind: str
    content: str


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """One quantified action."""

    id: str
    #: `prompt_caching`, `prefix_caching`, `routing`, …
    lever: str
    title: str
    baseline: Figure
    projected: Figure
    saving: Figure
    #: The saving on traffic that the choice has not seen.
    backtest: Figure
    evidence: tuple[Figure, ...] = ()
    change: Change
    #: How to undo it.
    rollback: str
    risk: str
    effort: str


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A series that a person would rather look at than read; drawn by `netra.reports`."""

    id: str
    title: str
    #: `line`, `bar`, `step`, `heatmap`.
    kind: str
    x_label: str
    y_label: str
    #: `{"name": …, "x": [...], "y": [...]}`; heatmap: `{"x": [...], "y": [...], "z": [[...]]}`.
    series: tuple[dict[str, Any], ...]
    #: `log` or `linear`.
    x_scale: str = "linear"
    y_scale: str = "linear"
    #: What to see in it, one sentence.
    caption: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a person reads about a job."""

    job_id: str
    #: The answer to the goal, two or three sentences, figures included.
    answer: str
    headline: tuple[Figure, ...]
    recommendations: tuple[Recommendation, ...]
    #: `{"tables": [...], "figures": [Figure], ...}`
    profile: dict[str, Any]
    #: What is known of each column, what is missing, which rows were left out and why.
    data_quality: dict[str, Any]
    #: Agents, versions, price dates, seeds, split: what is needed to compute it again.
    method: dict[str, Any]
    charts: tuple[Chart, ...] = ()
    #: Each objective and constraint of the goal, and whether the plan meets it.
    goal: dict[str, Any] = {}
