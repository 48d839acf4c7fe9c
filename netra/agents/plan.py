"""The plan: which levers to pull and how far, chosen on the fit part of the traffic alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from netra.agents.base import Context, Inputs, StageResult
from netra.agents.planning import prefix_lever, prompt_lever
from netra.agents.planning.baselines import Baseline, find_baselines
from netra.agents.planning.changes import (
    prefix_change,
    prefix_terms,
    prompt_change,
    prompt_terms,
    prompt_title,
)
from netra.agents.planning.parts import Parts, split_traffic
from netra.agents.planning.prompt_lever import Chosen, apply_policy, choose_policy
from netra.agents.planning.savings import Part, cost_saving
from netra.agents.planning.traffic import (
    OFFERED,
    PricedTraffic,
    considered,
    read_traffic,
    resolved_goal,
)
from netra.agents.reporting.goal_items import Evidence, cost_selections, goal_items
from netra.agents.selection import in_words
from netra.catalog.params import PlanParams
from netra.errors import InsufficientData
from netra.reports.formatting import format_count, format_value
from netra.schemas.figure import Figure, missing
from netra.schemas.goal import Goal
from netra.schemas.report import Chart

#: Things left out that are listed by name.
_MOST_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class _Planner:
    """What every step of the planning looks at."""

    inputs: Inputs
    params: PlanParams
    context: Context
    goal: Goal
    #: The selection that the whole goal is about; empty: all events.
    where: Mapping[str, Any]
    traffic: PricedTraffic
    parts: Parts

    @property
    def part(self) -> Part:
        return Part(
            name="fit", workload_id=self.inputs.workload.id, label="where the plan was chosen"
        )


def run(inputs: Inputs, params: PlanParams, context: Context) -> StageResult:
    """Chooses on the fit part; nothing of the verify part is looked at but its times.

    Raises:
        InsufficientData: the workload cannot be split into two parts.
        StageCancelled: the stage was asked to stop.
    """
    inputs = considered(inputs)
    traffic = read_traffic(inputs, context)
    triage = inputs.upstream.get("triage", {})
    parts = split_traffic(
        traffic,
        triage,
        by=params.split,
        share=params.fit_share,
        seed=params.seed,
        anchored=inputs.workload.anchored,
    )
    goal = resolved_goal(inputs)
    where = triage.get("scope", {}).get("filter") or {}
    if not any(w == where for w, _ in traffic.scopes):
        where = {}
    planner = _Planner(
        inputs=inputs, params=params, context=context, goal=goal, where=where,
        traffic=traffic, parts=parts,
    )  # fmt: skip
    return StageResult(content=_content(planner))


def _content(planner: _Planner) -> dict[str, Any]:
    traffic, goal = planner.traffic, planner.goal
    baselines = find_baselines(traffic, planner.parts.fit, planner.params.baseline)
    prompt = _prompt_lever(planner, baselines)
    prefix = _prefix_lever(planner)
    levers = [prompt, prefix]
    scopes = _scopes(planner, baselines, prompt)
    evidence = Evidence(
        scopes=scopes,
        # Cost is moved by this lever alone: what it lacks is what an answer about cost lacks.
        lever_needs=tuple(prompt["needs"]),
        levers=tuple(lever["lever"] for lever in levers if lever["status"] == "proposed"),
        today=planner.inputs.upstream.get("profile", {}).get("goal", ()),
    )
    return {
        "policy": {lever["lever"]: lever.pop("policy") for lever in levers},
        "split": planner.parts.as_json(),
        "scope": dict(planner.where),
        "baselines": [b.as_json() for b in baselines],
        "levers": levers,
        "scopes": scopes,
        "goal": goal_items(goal, evidence),
        "prices": traffic.prices,
        "seed": planner.params.seed,
    }


def _prompt_lever(planner: _Planner, baselines: list[Baseline]) -> dict[str, Any]:
    traffic, fit = planner.traffic, planner.parts.fit
    lever: dict[str, Any] = {"lever": prompt_lever.LEVER, "policy": None, "needs": []}
    try:
        chosen = choose_policy(
            traffic,
            fit,
            planner.where,
            min_gain_share=planner.params.min_gain_share,
            seed=planner.params.seed,
        )
    except InsufficientData:
        return lever | _no_prompt_lever(planner)
    after = apply_policy(chosen.policy, traffic, baselines[0])
    rows = fit & traffic.eligible & traffic.scope(planner.where)
    before = float(baselines[0].costs[rows].sum())
    saves = float(after[rows].sum()) < before
    options = [
        msgspec.to_builtins(
            Figure(
                value=chosen.totals[policy.name],
                unit="USD",
                n=chosen.requests,
                label=f"Cost with {policy.label}",
                method="sum over the fit part's requests of tokens x list price, prompts replayed",
                source=planner.part.source(planner.where),
            )
        )
        for policy in OFFERED
    ]
    lever |= {
        "status": "proposed" if saves else "keep",
        "title": prompt_title(chosen.policy),
        "reason": _prompt_reason(chosen, baselines, saves),
        "options": options,
        "groups": chosen.groups,
        "notes": chosen.notes + _left_out(traffic),
        "change": msgspec.to_builtins(prompt_change(chosen.policy)),
        **prompt_terms(chosen.policy),
    }
    return lever | {"policy": chosen.policy.as_json() if saves else None}


def _prompt_reason(chosen: Chosen, baselines: list[Baseline], saves: bool) -> str:
    said = ", ".join(
        f"{p.label} {format_value(chosen.totals[p.name], 'USD')}"
        for p in OFFERED
        if p.name in chosen.totals
    )
    part = f"on the fit part ({format_count(chosen.requests)} requests)"
    unknown = f"What runs today is not known: {baselines[0].why}" if baselines[0].text else ""
    label = next(p.label for p in OFFERED if p.name == chosen.policy.default)
    if saves:
        return f"The {label} costs least {part}: {said}.{f' {unknown}.' if unknown else ''}"
    if unknown:
        return (
            f"If {baselines[0].text}, nothing costs less {part}: {said}. {unknown}; if something"
            f" else runs, {label} costs less than that."
        )
    return f"Nothing beats what runs today {part}: {said}."


def _no_prompt_lever(planner: _Planner) -> dict[str, Any]:
    """Why prompt caching cannot be chosen on this traffic."""
    traffic, where = planner.traffic, planner.where
    if where and not traffic.scope(where).any():
        need = f"events with {in_words(where)}"
        return {"status": "insufficient_data", "reason": f"There are no {need}.", "needs": [need]}
    needs = list(islice(traffic.left_out, _MOST_NAMED))
    if needs and all(need.startswith("a price for cache writes") for need in needs):
        reason = "These models have no cache to switch: their provider caches by its own rules."
        return {"status": "not_applicable", "reason": reason, "needs": needs}
    reason = "No request in the fit part can be replayed and priced."
    return {"status": "insufficient_data", "reason": reason, "needs": needs or ["requests"]}


def _left_out(traffic: PricedTraffic) -> list[str]:
    return [
        f"{format_count(n)} requests left as they are: unknown is {what}"
        for what, n in islice(traffic.left_out.items(), _MOST_NAMED)
    ]


def _prefix_lever(planner: _Planner) -> dict[str, Any]:
    traffic = planner.traffic
    lever: dict[str, Any] = {"lever": prefix_lever.LEVER, "policy": None, "needs": []}
    if traffic.eligible.any():
        reason = "The provider serves these models: their prefix cache is not yours to size."
        return lever | {"status": "not_applicable", "reason": reason}
    cut = planner.parts.split.cut_us
    needs: list[str] = []
    if not traffic.hashed.any():
        needs.append("prefix_hashes")
    if cut is None:
        needs.append("times common to all sessions: each session has a clock of its own")
    if needs or cut is None:
        reason = "The references to a cache cannot be put in order."
        return lever | {"status": "insufficient_data", "reason": reason, "needs": needs}
    try:
        found = prefix_lever.choose_capacity(
            planner.inputs,
            planner.context,
            before_us=cut,
            where=planner.where,
            given=planner.params.capacity_blocks,
        )
    except InsufficientData as e:
        return lever | {"status": "insufficient_data", "reason": e.detail, "needs": list(e.needs)}
    return lever | _sized(planner, found)


def _sized(planner: _Planner, found: prefix_lever.Capacity) -> dict[str, Any]:
    """The proposal of a capacity."""
    size = planner.traffic.block_tokens
    ratio, most = found.curve.hit_ratio(found.blocks), found.curve.hit_ratio(float("inf"))
    given = planner.params.capacity_blocks is not None
    how = "the capacity that the job's parameters give" if given else "the knee of the LRU curve"
    hit = Figure(
        value=ratio, unit="share", n=found.curve.references, label="Hit ratio at that capacity",
        method="LRU stack distances of the fit part's block references, first ones are misses",
        source=planner.part.source(planner.where, ("ts", "prefix_hashes")),
    )  # fmt: skip
    limit = msgspec.structs.replace(hit, value=most, label="Hit ratio of an unlimited cache")
    memory = missing(
        "the serving model, and its KV bytes per token", unit="bytes", label="Memory for it"
    )
    shown, ratios = found.shown
    title = f"Keep a prefix cache of {format_count(found.blocks)} blocks"
    return {
        "status": "proposed",
        "policy": {"capacity_blocks": found.blocks, "where": dict(planner.where)},
        "title": title,
        "reason": f"{title}: {how} on the fit part. It hits {format_value(ratio, 'share')} of the"
        f" block references, a cache without limit {format_value(most, 'share')}.",
        "options": [msgspec.to_builtins(f) for f in (hit, limit, memory)],
        "groups": [],
        "notes": ["no money is claimed: the tokens of this traffic have no price for prefill"],
        "change": msgspec.to_builtins(prefix_change(found.blocks, size)),
        "charts": [msgspec.to_builtins(_curve_chart(found.blocks, ratio, shown, ratios))],
        **prefix_terms(),
    }


def _curve_chart(capacity: int, ratio: float, shown: list[int], ratios: list[float]) -> Chart:
    return Chart(
        id="plan-lru-curve",
        title="Prefix cache: where more capacity stops paying",
        kind="step",
        x_label="Capacity (blocks)",
        y_label="References that hit (share)",
        x_scale="log",
        series=(
            {"name": "LRU, fit part", "x": shown, "y": ratios},
            {"name": f"chosen: {capacity:,}", "x": [capacity], "y": [ratio], "style": "point"},
        ),
        caption="Chosen on the fit part of the traffic.",
    )


def _scopes(
    planner: _Planner, baselines: list[Baseline], prompt: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What the plan saves on the fit part, for each selection whose cost the goal names."""
    if prompt["status"] not in ("proposed", "keep"):
        return []
    policy = prompt["policy"]
    scopes: list[dict[str, Any]] = []
    for where in cost_selections(planner.goal):
        savings: list[dict[str, Any]] = []
        for baseline in baselines:
            after = baseline.costs
            if policy:
                read = prompt_lever.read_policy(policy)
                after = apply_policy(read, planner.traffic, baseline)
            saved = cost_saving(
                planner.traffic, planner.parts.fit, where, baseline, after, planner.part, None
            )
            savings.append({"assumed": baseline.as_json(), **saved.as_json()})
        scopes.append({"where": where, "savings": savings})
    return scopes
