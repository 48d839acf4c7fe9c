"""The backtest: the frozen plan on traffic that it has not seen, with block-bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netra.agents.base import Context, Inputs, StageResult
from netra.agents.planning import prefix_lever, prompt_lever
from netra.agents.planning.baselines import baseline_named
from netra.agents.planning.parts import Parts, split_traffic, time_blocks
from netra.agents.planning.prompt_lever import PromptPolicy, read_policy
from netra.agents.planning.savings import Draw, Part, Saving, nothing, paired_saving
from netra.agents.planning.traffic import PricedTraffic, considered, read_traffic, resolved_goal
from netra.agents.planning.verify import (
    charts_json,
    cost_charts,
    lever_json,
    verify_costs,
    verify_lever,
)
from netra.catalog.params import BacktestParams
from netra.errors import InsufficientData


def run(inputs: Inputs, params: BacktestParams, context: Context) -> StageResult:
    """Applies the plan's policy to the verify part.

    Raises:
        InsufficientData: there is no plan, or it says what is missing.
        StageCancelled: the stage was asked to stop.
    """
    plan = inputs.upstream.get("plan", {})
    if "policy" not in plan:
        needs = plan.get("needs") or ["a plan stage before the backtest"]
        raise InsufficientData("there is no plan to test", needs)
    inputs = considered(inputs)
    traffic = read_traffic(inputs, context)
    parts = _same_split(inputs, traffic, plan)
    draw = Draw(
        xp=context.array_namespace,
        seed=context.seed if params.seed is None else params.seed,
        resamples=params.resamples,
        level=params.level,
    )
    part = Part(
        name="verify", workload_id=inputs.workload.id, label="traffic that the plan has not seen"
    )
    baselines = [baseline_named(traffic, b) for b in plan["baselines"]]
    frozen = plan["policy"].get(prompt_lever.LEVER)
    policy = read_policy(frozen) if frozen else None
    levers: list[dict[str, Any]] = []
    charts: list[dict[str, Any]] = []
    if policy:
        for baseline in baselines:
            saved = verify_lever(traffic, parts.verify, policy, baseline, part, draw)
            levers.append(lever_json(prompt_lever.LEVER, saved, baseline.as_json()))
        charts = charts_json(cost_charts(traffic, parts.verify, policy, baselines[0], part, draw))
    if sized := plan["policy"].get(prefix_lever.LEVER):
        saved = _verify_capacity(inputs, context, traffic, parts, sized, part, draw)
        levers.append(lever_json(prefix_lever.LEVER, saved, prefix_lever.ASSUMED))
    goal = resolved_goal(inputs)
    content = {
        "split": parts.as_json(),
        "warm_up": _warm_up(parts, policy),
        "levers": levers,
        "scopes": verify_costs(traffic, parts.verify, goal, policy, baselines, part, draw),
        "charts": charts,
        "seed": draw.seed,
        "resamples": draw.resamples,
        "level": draw.level,
        "arrays": getattr(draw.xp, "__name__", str(draw.xp)),
    }
    return StageResult(content=content)


def _same_split(inputs: Inputs, traffic: PricedTraffic, plan: Mapping[str, Any]) -> Parts:
    """The plan's split, made again from what the plan says of it."""
    split = plan["split"]
    parts = split_traffic(
        traffic,
        {},
        by=split["by"],
        share=split["share"],
        seed=split["seed"],
        anchored=inputs.workload.anchored,
    )
    if parts.split.cut_us != split.get("cut_us"):
        need = "the same events as the plan was made on"
        raise InsufficientData("the plan was made on other events", [need])
    return parts


def _verify_capacity(
    inputs: Inputs,
    context: Context,
    traffic: PricedTraffic,
    parts: Parts,
    sized: Mapping[str, Any],
    part: Part,
    draw: Draw,
) -> Saving:
    """Prefill tokens that a cache of the plan's capacity saves on the verify part."""
    source = part.source(sized["where"], ("ts", "prefix_hashes", "block_tokens"))
    cut = parts.split.cut_us
    if cut is None or not parts.verify.any():
        return nothing("tokens", source, "times common to all sessions", part.label)
    blocks = time_blocks(traffic, parts.verify)
    counted = prefix_lever.replay_capacity(
        inputs,
        context,
        capacity=sized["capacity_blocks"],
        from_us=cut,
        where=sized["where"],
        blocks=blocks,
        verify=parts.verify,
    )
    size = traffic.block_tokens
    references, hits = counted
    sums = counted.copy()
    sums[1] = references - hits
    unit = "tokens" if size is not None else "blocks"
    return paired_saving(
        sums * (size or 1.0),
        blocks,
        unit=unit,
        n=int(references.sum()),
        labels=(f"Prompt {unit} to compute, {part.label}", f"Prompt {unit} to compute, with it"),
        method="LRU replay of the block references at the plan's capacity, the cache warmed by all"
        " references of the fit part; a block that hits need not be computed",
        source=source,
        draw=draw,
    )


def _warm_up(parts: Parts, policy: PromptPolicy | None) -> dict[str, Any]:
    """What the caches hold when the verify part begins."""
    if parts.split.by == "session":
        text = "none: every session begins with an empty cache, in both parts"
    else:
        text = "the fit part's traffic is replayed first and not counted: caches are warm at the"
        text += " cut, as they would be in production"
    lifetime = {"ttl_5m": 300, "ttl_1h": 3600}.get(policy.default if policy else "", 0)
    return {"text": text, "lifetime_s": lifetime}
