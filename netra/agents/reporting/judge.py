"""Whether a plan meets an objective or a constraint, and what can honestly be said if not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from netra.agents.reporting.wording import metric_name, signed
from netra.reports.formatting import format_value
from netra.schemas.figure import Figure
from netra.schemas.goal import Constraint, Objective

#: `given`: it is not Netra's to change, and the rest of the goal is judged under it.
Met = Literal["met", "not_met", "given", "insufficient_data", "not_supported"]

#: Metrics that no lever of this plan can change: the same prompts reach the same models.
UNTOUCHED = ("quality", "error_rate")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is known of one part of the goal."""

    status: Met
    note: str = ""
    figures: tuple[Figure, ...] = ()
    needs: tuple[str, ...] = field(default=())
    #: What a verdict rests on that was not computed, in a few words.
    basis: str = ""


@dataclass(frozen=True, kw_only=True)
class Assumed:
    """A saving under one assumption about what is paid today."""

    #: E.g. `prompts are not cached today`; empty where it is known and not assumed.
    text: str
    #: Share of the cost saved on the verify part.
    saving: Figure


def judge_cost_change(
    target: float, savings: Sequence[Assumed], growth: float | None, needs: Sequence[str]
) -> Verdict:
    """Whether cost changes by `target` (`-0.2`: a fifth less) or better.

    Args:
        savings: one where today's cost is known, several where it is assumed; not empty.
        growth: more requests of the same kind (`0.3`: 30 % more), which cost proportionally more.
        needs: what would tell which assumption is true.
    """
    changes = [_change(s, growth) for s in savings]
    verdicts = [_reaches(f, target) for f in changes]
    if len(set(verdicts)) == 1 and verdicts[0] is not None:
        return Verdict(status="met" if verdicts[0] else "not_met", figures=tuple(changes))
    if all(v is None for v in verdicts):
        need = "more traffic: the interval of the saving holds the target"
        return Verdict(status="insufficient_data", figures=tuple(changes), needs=(need,))
    said = [f"{_WORDS[v]} if {s.text}" for s, v in zip(savings, verdicts, strict=True) if s.text]
    return Verdict(
        status="insufficient_data",
        note=f"What is paid today is not recorded: {', '.join(said)}.",
        figures=tuple(changes),
        needs=tuple(needs),
    )


_WORDS = {True: "met", False: "not met", None: "too close to say"}


def judge_cost_best(
    savings: Sequence[Assumed], growth: float | None, needs: Sequence[str]
) -> Verdict:
    """Cost as low as it goes: met if the plan saves, whatever is assumed of what is paid today."""
    changes = tuple(_change(s, growth) for s in savings)
    saves = [_saves(s.saving) for s in savings]
    if all(saves):
        note = "The plan cuts cost on traffic that it has not seen."
        return Verdict(status="met", note=note, figures=changes)
    if not any(saves):
        note = "No lever that Netra has costs less than what runs today."
        return Verdict(status="not_met", note=note, figures=changes)
    said = [f"{_WORDS[v]} if {s.text}" for s, v in zip(savings, saves, strict=True) if s.text]
    return Verdict(
        status="insufficient_data",
        note=f"What is paid today is not recorded: {', '.join(said)}.",
        figures=changes,
        needs=tuple(needs),
    )


def _saves(saving: Figure) -> bool:
    low = saving.interval[0] if saving.interval else saving.value
    return low is not None and low > 0


def judge_bounds(constraint: Constraint, today: Figure) -> Verdict:
    """A bound on a metric that the plan does not raise: judged by its value today."""
    if today.status != "ok" or today.value is None:
        return Verdict(status="insufficient_data", figures=(today,), needs=today.needs)
    low, high = today.interval or (today.value, today.value)
    inside = (constraint.max is None or high <= constraint.max) and (
        constraint.min is None or low >= constraint.min
    )
    outside = (constraint.max is not None and low > constraint.max) or (
        constraint.min is not None and high < constraint.min
    )
    name = metric_name(constraint.metric)
    if inside:
        note = f"{name} is within the bound today, and nothing in the plan makes it worse."
        return Verdict(status="met", note=note, figures=(today,))
    if outside:
        note = f"{name} is outside the bound today; no agent predicts by how much the plan moves it"
        return Verdict(status="not_met", note=f"{note}.", figures=(today,))
    need = f"more events: the interval of {name} holds the bound"
    return Verdict(status="insufficient_data", figures=(today,), needs=(need,))


def judge_no_worse(constraint: Constraint, today: Figure, *, changes: bool) -> Verdict:
    """Whether a metric is no worse than today: the plan leaves it alone, or can only improve it."""
    name = metric_name(constraint.metric)
    if not changes:
        why = "the plan changes nothing"
    elif constraint.metric in UNTOUCHED:
        why = "the plan changes no prompt, no model and no output"
    else:
        why = "reading a prompt from a cache computes less than reading it anew"
    if today.status == "ok":
        value = format_value(today.value, today.unit)
        note = f"{name} is {value} today, and no worse by construction: {why}."
        basis = f"by construction; {value} today"
    else:
        note = f"{name} is no worse by construction: {why}. What it is today is not recorded."
        basis = "by construction; not recorded today"
    return Verdict(status="met", note=note, figures=(today,), basis=basis)


def judge_memory_taken(constraint: Constraint, today: Figure) -> Verdict:
    """A time, under a plan that takes memory from the batch: it may become shorter or longer."""
    name = metric_name(constraint.metric)
    note = "A prefix cache spares computing but takes memory from the batch; no agent predicts yet"
    return Verdict(status="not_supported", note=f"{note} what both do to {name}.", figures=(today,))


def judge_unsupported(objective: Objective, today: Figure) -> Verdict:
    """A change of a metric for which Netra has no lever yet: what it is today, and no promise."""
    name = metric_name(objective.metric)
    if today.status != "ok":
        note = f"No agent predicts {name} yet, and what it is today is not known."
        return Verdict(status="insufficient_data", note=note, figures=(today,), needs=today.needs)
    note = f"No agent proposes or predicts changes of {name} yet; this is what it is today."
    if objective.change is not None and today.value is not None:
        aim = format_value(today.value * (1 + objective.change), today.unit)
        note += f" {signed(objective.change)} would be {aim}."
    return Verdict(status="not_supported", note=note, figures=(today,))


def _change(assumed: Assumed, growth: float | None) -> Figure:
    """The relative change of cost, from the share saved and the growth of usage."""
    saving = assumed.saving
    grown = 1.0 + (growth or 0.0)

    def of(share: float) -> float:
        return (1.0 - share) * grown - 1.0

    formula = f"(1 - saving) x {grown:g} - 1, for usage that grows at the same mix"
    condition = f" if {assumed.text}" if assumed.text else ""
    return Figure(
        value=None if saving.value is None else of(saving.value),
        unit="share",
        interval=(of(saving.interval[1]), of(saving.interval[0])) if saving.interval else None,
        level=saving.level,
        n=saving.n,
        method=f"{formula if growth else 'minus the saving'}, with the backtest's saving:"
        f" {saving.method}",
        source=saving.source,
        status=saving.status,
        needs=saving.needs,
        label=f"change of cost{condition}",
    )


def _reaches(change: Figure, target: float) -> bool | None:
    """Whether the whole interval is at the target or beyond, or none of it, or neither: None."""
    if change.value is None:
        return None
    low, high = change.interval or (change.value, change.value)
    if high <= target:
        return True
    return False if low > target else None
