"""Goals that ask: what the workload says about it, and what an answer would still need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from netra.agents.base import Inputs
from netra.agents.columns import numbers, times
from netra.agents.model_codes import model_name
from netra.agents.rates import RequestRates
from netra.agents.reporting.wording import signed
from netra.agents.selection import selected
from netra.analysis.peaks import MinutePeaks
from netra.catalog.prices import RATE_NAMES
from netra.catalog.supply import SupplyCatalog
from netra.reports.formatting import format_value
from netra.schemas.figure import Figure, Source, Status, missing
from netra.schemas.goal import Goal

_INPUT, _OUTPUT = RATE_NAMES.index("input"), RATE_NAMES.index("output")


#: What figures of the profile are called where there is none.
_LABELS = {
    "cost_list": "Cost at list prices",
    "cost_recorded": "Recorded cost",
    "cost_per_day": "Cost per day",
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What can be said, as an item of the report's goal and as a sentence."""

    #: `answered`, `insufficient_data` or `not_supported`.
    status: str
    text: str
    #: The answer in one or two sentences.
    says: str
    figures: tuple[Figure, ...] = ()
    needs: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": "question",
            "index": 0,
            "text": self.text,
            "metric": None,
            "where": {},
            "status": self.status,
            "note": self.says,
            "needs": list(self.needs),
            "figures": [msgspec.to_builtins(f) for f in (*self.figures, *self._open())],
        }

    def _open(self) -> list[Figure]:
        """The answer that could not be given, as a figure without a value."""
        if self.status == "answered" or any(f.status == self.status for f in self.figures):
            return []
        status: Status = "not_supported" if self.status == "not_supported" else "insufficient_data"
        return [
            Figure(value=None, unit="verdict", status=status, needs=self.needs, label=self.text)
        ]


def answer_question(
    goal: Goal, inputs: Inputs, profile: Mapping[str, Any], triage: Mapping[str, Any]
) -> Answer | None:
    """The answer to the goal's question; None for `optimize` and `audit_caching`, whose answer is
    the plan."""
    answers: dict[str, Callable[..., Answer]] = {
        "forecast": _forecast,
        "compare_models": _compare_models,
        "tool_models": _tool_models,
        "evaluate_upgrade": _evaluate_upgrade,
    }
    found = answers.get(goal.question)
    return found(goal, inputs, profile, triage) if found else None


def _forecast(
    goal: Goal, inputs: Inputs, profile: Mapping[str, Any], triage: Mapping[str, Any]
) -> Answer:
    """Cost and peak rates if there are so many more requests of the same kind."""
    growth = float(goal.about.get("growth") or 0.0)
    asked = goal.about.get("metrics") or ["cost"]
    figures: list[Figure] = []
    needs: list[str] = []
    said: list[str] = []
    if "cost" in asked:
        now = _cost_today(profile)
        figures += [now, _grown(now, growth, now.label)]
        daily = _profiled(profile, "cost_per_day", "USD/day")
        if daily.status == "ok":
            figures.append(_grown(daily, growth, "Cost per day"))
        needs += now.needs
        if now.value is not None:
            grown = format_value(now.value * (1 + growth), "USD")
            said.append(
                f"{now.label} goes from {format_value(now.value, 'USD')} to {grown} for as"
                " long a time, if the new requests are like the old ones."
            )
    if "rate_limits" in asked:
        peaks = _peaks(inputs, triage)
        figures += peaks
        figures += [_grown(p, growth, p.label) for p in peaks if p.status == "ok"]
        needs.append("the rate limits of the models in the supply catalog")
        needs += [need for p in peaks for need in p.needs]
        if peaks[0].value is not None:
            said.append(
                f"The busiest minute goes from {peaks[0].value:,.0f} to"
                f" {peaks[0].value * (1 + growth):,.0f} requests; whether the limits allow it"
                " cannot be said without them."
            )
        else:
            said.append("What happens to rate limits cannot be said: no busiest minute is known.")
    if (ahead := _peak_ahead(inputs)) is not None and ahead.value is not None:
        grown = _grown(ahead, growth, ahead.label)
        figures += [ahead, grown]
        said.append(
            f"Demand is forecast to peak at {format_value(ahead.value, ahead.unit)} in its highest"
            f" hour; with usage {signed(growth)} that is"
            f" {format_value(grown.value, grown.unit)}."
            if growth
            else ""
        )
    short = "insufficient_data" if needs else "answered"
    says = " ".join(s for s in said if s) or "The workload cannot say what growth costs."
    text = f"What happens if usage changes by {signed(growth)}"
    return Answer(
        status=short,
        text=text,
        says=says,
        figures=tuple(figures),
        needs=tuple(dict.fromkeys(needs)),
    )


def _peak_ahead(inputs: Inputs) -> Figure | None:
    """The forecast's highest hour, where a stage before this one made a forecast."""
    found = inputs.upstream.get("demand", {}).get("figures", {}).get("peak_ahead")
    return msgspec.convert(found, Figure) if found else None


def _cost_today(profile: Mapping[str, Any]) -> Figure:
    """What was paid where every request records it, else the cost at list prices."""
    paid = _profiled(profile, "cost_recorded", "USD")
    requests = _profiled(profile, "requests", "requests")
    if paid.status == "ok" and paid.n == requests.n:
        return paid
    return _profiled(profile, "cost_list", "USD")


def _grown(figure: Figure, growth: float, label: str) -> Figure:
    """The figure times the growth: every request as before, only more of them."""
    factor = 1 + growth
    scaled = figure.interval and (figure.interval[0] * factor, figure.interval[1] * factor)
    return msgspec.structs.replace(
        figure,
        value=None if figure.value is None else figure.value * factor,
        interval=scaled,
        method=f"x {factor:g}: more requests of the same mix; {figure.method}",
        label=f"{label}, usage {signed(growth)}",
    )


def _peaks(inputs: Inputs, triage: Mapping[str, Any]) -> list[Figure]:
    """Requests and tokens of the busiest minute."""
    names = ("requests", "input tokens", "output tokens")
    source = Source(
        workload_id=inputs.workload.id,
        query="visible events of the workload",
        columns=("ts", "input_tokens", "output_tokens"),
    )
    if triage.get("sessions", {}).get("split") == "session":
        need = "times common to all sessions: each session has a clock of its own"
        return [
            missing(need, unit=f"{n}/minute", source=source, label=f"Busiest minute, {n}")
            for n in names
        ]
    peaks = MinutePeaks(len(names))
    rows = 0
    for batch in inputs.events():
        tokens = [numbers(batch, c) for c in ("input_tokens", "output_tokens")]
        peaks.add(times(batch), np.stack([np.ones(batch.num_rows), *tokens]))
        rows += batch.num_rows
    found = peaks.peaks().tolist()
    return [
        Figure(
            value=value,
            unit=f"{name}/minute",
            n=rows,
            method=f"largest sum over {peaks.minutes:,} calendar minutes; exact for these events",
            source=source,
            label=f"Busiest minute, {name}",
        )
        for name, value in zip(names, found, strict=True)
    ]


def _compare_models(
    goal: Goal, inputs: Inputs, profile: Mapping[str, Any], triage: Mapping[str, Any]
) -> Answer:
    """What the same tokens cost at each model's list price; quality is another matter."""
    models = [str(m) for m in goal.about.get("models", ())]
    where = goal.about.get("where") or {}
    supply = inputs.supply or SupplyCatalog()
    figures = _priced_as(models, inputs, where, supply)
    known = [(m, f) for m, f in zip(models, figures, strict=True) if f.value is not None]
    said = ", ".join(f"{m} {format_value(f.value, 'USD')}" for m, f in known)
    says = (
        f"At list prices without caching the tokens of this workload would cost {said}."
        if known
        else "No price is known for the models named."
    )
    needs = [need for f in figures for need in f.needs]
    needs.append("quality of both models on the same requests")
    return Answer(
        status="insufficient_data",
        text=f"Which of {', '.join(models)} suits the workload",
        says=f"{says} Which one suits it also depends on quality, which one trace of one model"
        " cannot tell.",
        figures=tuple(figures),
        needs=tuple(dict.fromkeys(needs)),
    )


def _priced_as(
    models: list[str], inputs: Inputs, where: Mapping[str, Any], supply: SupplyCatalog
) -> list[Figure]:
    """The cost of all tokens at each model's price of the catalog's day, each in its own tier."""
    totals, counted, events = np.zeros(len(models)), 0, 0
    for batch in inputs.events():
        rows = selected(batch, where)
        events += int(rows.sum())
        tokens = [numbers(batch, c)[rows] for c in ("input_tokens", "output_tokens")]
        known = ~np.isnan(tokens[0]) & ~np.isnan(tokens[1])
        sent, got = tokens[0][known], tokens[1][known]
        counted += len(sent)
        for i, model in enumerate(models):
            codes, at = np.zeros(len(sent), np.int32), np.zeros(len(sent), np.int64)
            rates = RequestRates(supply, supply.as_of).of([(None, model)], codes, at, sent)
            totals[i] += float((sent * rates[:, _INPUT] + got * rates[:, _OUTPUT]).sum()) / 1e6
    source = Source(
        workload_id=inputs.workload.id,
        query="visible events of the workload",
        columns=("input_tokens", "output_tokens"),
        filter=dict(where),
    )
    figures: list[Figure] = []
    for model, total in zip(models, totals.tolist(), strict=True):
        label = f"Cost if all of it ran on {model}"
        price = supply.price(model)
        if price is None or not counted:
            need = f"a price of {model}" if price is None else "input_tokens and output_tokens"
            figures.append(missing(need, unit="USD", source=source, label=label))
            continue
        how = f"tokens x list price of {model_name((price.provider, price.model))} of"
        how += f" {supply.as_of}, each request in its own tier, as many tokens as today, no cache"
        figures.append(
            Figure(value=total, unit="USD", n=counted, method=how, source=source, label=label)
        )
    return figures


def _tool_models(
    goal: Goal, inputs: Inputs, profile: Mapping[str, Any], triage: Mapping[str, Any]
) -> Answer:
    """Cost by tool is in the profile; which model a tool needs takes its quality on others."""
    tools = triage.get("names", {}).get("tool_name", [])
    needs = [] if tools else ["tool_name"]
    needs.append("quality by tool_name, on each model that a tool could switch to")
    if tools:
        named = ", ".join(str(t["name"]) for t in tools[:5])
        says = (
            f"The workload names {len(tools)} tools ({named}); their cost is in the tables below."
        )
    else:
        says = "No event names the tool that it belongs to."
    return Answer(
        status="insufficient_data",
        text="Which tools should switch model",
        says=f"{says} No tool is moved without knowing its quality on another model.",
        figures=(_profiled(profile, "cost_list", "USD"),),
        needs=tuple(needs),
    )


def _evaluate_upgrade(
    goal: Goal, inputs: Inputs, profile: Mapping[str, Any], triage: Mapping[str, Any]
) -> Answer:
    """Before and after need a calendar, two models and quality; what is there is said."""
    models = triage.get("names", {}).get("model", [])
    needs: list[str] = []
    if not inputs.workload.anchored:
        needs.append("absolute times: ingest with --start, or a trace with calendar timestamps")
    if len(models) < 2:
        needs.append("events of the model before and of the model after")
    if not triage.get("columns", {}).get("quality", {}).get("known"):
        needs.append("quality")
    status = "insufficient_data" if needs else "not_supported"
    says = f"The workload has events of {len(models)} models; their cost is in the tables below."
    if not needs:
        says += " No agent compares before and after an upgrade yet."
    else:
        says += " Whether an upgrade was worth it cannot be told from it."
    return Answer(
        status=status,
        text="Whether the model upgrade was worth it, and where to roll back",
        says=says,
        figures=(_profiled(profile, "cost_list", "USD"),),
        needs=tuple(needs),
    )


def _profiled(profile: Mapping[str, Any], name: str, unit: str) -> Figure:
    found = profile.get("figures", {}).get(name)
    if found is None:
        # A profile that found nothing to count says what it lacks.
        needs = profile.get("needs") or ("a profile stage in the pipeline",)
        return missing(*needs, unit=unit, label=_LABELS.get(name, name.replace("_", " ")))
    return msgspec.convert(found, Figure)
