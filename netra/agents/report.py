"""The report: the answer, its figures, what was recommended and why, and what cannot be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from netra.agents.base import Context, Inputs, StageResult
from netra.agents.planning.traffic import resolved_goal
from netra.agents.reporting.answering import answer
from netra.agents.reporting.chapters import chapters, leading, proposed
from netra.agents.reporting.costs import period_costs
from netra.agents.reporting.goal_items import Evidence, goal_items
from netra.agents.reporting.provenance import data_quality, method
from netra.agents.reporting.questions import Answer, answer_question
from netra.agents.reporting.recommending import Tested, recommendations, tested_levers
from netra.agents.reporting.sizing import fit_size
from netra.catalog.params import Params
from netra.schemas.figure import Figure
from netra.schemas.goal import Goal
from netra.schemas.report import Chart, Report, Section

#: Charts of the stages before, in the order in which they are shown.
_CHARTED = ("backtest", "plan", "profile")
_MOST_CHARTS = 10
#: What is shown of the profile at the top where there is nothing to recommend.
_HEADLINE = (
    *("cost_recorded", "cost_list", "requests", "latency_p95"),
    *("input_tokens", "output_tokens", "error_rate"),
)
_MOST_HEADLINES = 4
#: Figures of a section that leads the answer.
_OF_A_SECTION = 2


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What the stages before found; a stage that did not run left nothing."""

    goal: Goal
    triage: Mapping[str, Any]
    profile: Mapping[str, Any]
    prompt_cache: Mapping[str, Any]
    plan: Mapping[str, Any]
    backtest: Mapping[str, Any]
    tested: Sequence[Tested]
    #: The answer to the goal's question, where it is not the plan.
    asked: Answer | None


def run(inputs: Inputs, params: Params, context: Context) -> StageResult:
    """Puts together what the stages before found; computes nothing that they could have."""
    up = inputs.upstream
    triage, profile = up.get("triage", {}), up.get("profile", {})
    plan, backtest = up.get("plan", {}), up.get("backtest", {})
    goal = resolved_goal(inputs)
    found = _Found(
        goal=goal,
        triage=triage,
        profile=profile,
        prompt_cache=up.get("prompt-cache", {}),
        plan=plan,
        backtest=backtest,
        tested=tested_levers(plan, backtest),
        asked=answer_question(goal, inputs, profile, triage),
    )
    context.progress(0.5, "writing the report")
    items = _items(found)
    sections = chapters(up)
    first = leading(sections, goal, plan)
    report = Report(
        job_id=inputs.job_id,
        answer=answer(found.tested, plan, profile, items, first),
        headline=_headline(found, first),
        recommendations=(*recommendations(found.tested, plan), *proposed(up)),
        sections=sections,
        profile=_profile(profile),
        data_quality=data_quality(triage, profile),
        method=method(inputs, goal, triage, plan, backtest, [*up, "report"]),
        charts=_charts(up),
        goal={
            "text": goal.text,
            "question": goal.question,
            "about": goal.about,
            "assumptions": list(goal.assumptions),
            "items": items,
        },
    )
    return StageResult(content=msgspec.to_builtins(fit_size(report)))


def _items(found: _Found) -> list[dict[str, Any]]:
    """The question, then every objective and constraint, judged by the backtest."""
    plan = found.plan
    prompt = next((x for x in plan.get("levers", ()) if x["lever"] == "prompt_caching"), {})
    refuted = any(t.refuted for t in found.tested if t.lever["lever"] == "prompt_caching")
    # A lever that could not be tried was not replayed: its zeros are no measurements.
    tried = prompt.get("status") in ("proposed", "keep")
    evidence = Evidence(
        # A lever that was refuted is not pulled: it saves nothing anywhere.
        scopes=found.backtest.get("scopes", []) if tried and not refuted else [],
        lever_needs=tuple(prompt.get("needs", ())) or tuple(plan.get("needs", ())),
        levers=tuple(t.lever["lever"] for t in found.tested if not t.refuted),
        today=found.profile.get("goal", ()),
        costs=period_costs(found.profile, found.backtest, found.triage),
    )
    items = goal_items(found.goal, evidence)
    asked = _audit(found) if found.goal.question == "audit_caching" else found.asked
    return [asked.as_json(), *items] if asked else items


def _audit(found: _Found) -> Answer:
    """What an audit of caching found: savings on unseen traffic, and what each policy costs."""
    levers = found.plan.get("levers", [])
    needs = [n for lever in levers for n in lever["needs"]] or list(found.plan.get("needs", ()))
    figures = [
        msgspec.structs.replace(t.share(i), label=f"Saved{f', if {said}' if said else ''}")
        for t in found.tested
        for i in range(len(t.entries))
        for said in (t.assumption(i),)
    ]
    costs = found.prompt_cache.get("figures", {}).values()
    figures += [msgspec.convert(f, Figure) for f in costs]
    decided = any(lever["status"] in ("proposed", "keep") for lever in levers)
    return Answer(
        status="answered" if decided else "insufficient_data",
        text="How well prompts are cached, and what better caching saves",
        says="" if decided else "Nothing in the workload says which prompts repeat.",
        figures=tuple(figures),
        needs=() if decided else tuple(dict.fromkeys(needs)),
    )


def _headline(found: _Found, leading: Sequence[Section]) -> tuple[Figure, ...]:
    """The figures at the top: savings of the backtest first, then what else leads, then what the
    workload is."""
    shown: list[Figure] = []
    for t in found.tested:
        if t.refuted:
            continue
        condition = f", if {t.assumption()}" if t.assumption() else ""
        label = f"Saved on unseen traffic{condition}"
        shown += [
            msgspec.structs.replace(t.figure("saving"), label=label),
            msgspec.structs.replace(t.share(), label=f"{label}, as a share"),
        ]
        if len(t.entries) > 1:
            label = f"Saved on unseen traffic, if {t.assumption(1)}"
            shown.append(msgspec.structs.replace(t.share(1), label=label))
    if found.asked and not shown:
        shown += [f for f in found.asked.figures if f.status == "ok"]
    shown += [f for section in leading for f in section.figures[:_OF_A_SECTION]]
    profiled = found.profile.get("figures", {})
    known = [msgspec.convert(profiled[n], Figure) for n in _HEADLINE if n in profiled]
    # What is not known is in the tables below; up here it would be in the way.
    known.sort(key=lambda f: f.status != "ok")
    shown += [f for f in known if f.label not in {s.label for s in shown}]
    # What was paid and what the list says belong together.
    most = _MOST_HEADLINES + ("cost_recorded" in profiled)
    return tuple(shown[:most])


def _profile(profile: Mapping[str, Any]) -> dict[str, Any]:
    """The profile's figures and tables; what it could not compute is said, not left out."""
    if profile.get("status"):
        return {"status": profile["status"], "needs": profile.get("needs", [])}
    figures = list(profile.get("figures", {}).values())
    # What is known first: a reader looks for numbers before gaps.
    figures.sort(key=lambda f: f["status"] != "ok")
    return {"figures": figures, "tables": profile.get("tables", [])} if profile else {}


def _charts(upstream: Mapping[str, Mapping[str, Any]]) -> tuple[Chart, ...]:
    found: dict[str, Chart] = {}
    for agent in _CHARTED:
        content = upstream.get(agent, {})
        raw = [*content.get("charts", ())]
        for lever in content.get("levers", ()):
            raw += lever.get("charts", ())
        for one in raw:
            chart = msgspec.convert(one, Chart)
            found.setdefault(chart.id, chart)
    return tuple(list(found.values())[:_MOST_CHARTS])
