"""What a person reads: recommendations and the report. Shapes fixed by other programs."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from netra.schemas.figure import Figure, Status


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


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A straight line across a chart that says where something is: a limit, a cut, a choice."""

    #: The axis on which `at` lies: `x` gives an upright line, `y` a level one.
    axis: Literal["x", "y"]
    #: In the unit of the axis; a time (RFC 3339) where the axis is one.
    at: float | str
    label: str


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A series that a person would rather look at than read; drawn by `netra.reports`."""

    id: str
    title: str
    #: `line`, `step`, `bar`, `histogram`, `heatmap`.
    kind: str
    x_label: str
    y_label: str
    #: `{"name": …, "x": [...], "y": [...]}`, and where known `"lower"` and `"upper"`: the ends of
    #: an interval, drawn as a band or as whiskers. `"style"`: `plain`, `dashed`, `band` (no line),
    #: `dots` (no line), `point` (one labelled mark). `"names"`: what each point is.
    #: Heatmap: `{"x": [...], "y": [...], "z": [[...]]}`.
    series: tuple[dict[str, Any], ...]
    #: `log` or `linear`.
    x_scale: str = "linear"
    y_scale: str = "linear"
    #: What to see in it, one sentence.
    caption: str = ""
    #: Limits, cuts and choices, as lines across a line or step chart.
    marks: tuple[Mark, ...] = ()


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent found, a chapter of the report; its content holds it as `section`."""

    #: The agent's name.
    id: str
    title: str
    #: The finding in one to three plain sentences, figures included.
    says: str
    status: Status = "ok"
    #: What the workload lacks, when `status` is `insufficient_data`.
    needs: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    #: As `Sourced.table` makes them.
    tables: tuple[dict[str, Any], ...] = ()
    charts: tuple[Chart, ...] = ()
    #: The configuration that applies what was found.
    changes: tuple[Change, ...] = ()


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
    #: What the agents found beside the plan, a chapter each.
    sections: tuple[Section, ...] = ()
    #: Each objective and constraint of the goal, and whether the plan meets it.
    goal: dict[str, Any] = {}
