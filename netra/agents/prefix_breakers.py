"""What changes early in prompts, how often, and what it costs in lost cache hits."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from netra.agents.base import Context, Inputs, StageResult
from netra.agents.model_codes import model_name
from netra.agents.prefix_breaking.chapter import (
    UNCHAINED,
    Findings,
    chapter,
    figures,
    groups_table,
    kinds_table,
)
from netra.agents.prefix_breaking.losses import KindLoss, by_kind, losses
from netra.agents.prefix_breaking.reading import read_prompts
from netra.agents.profiling.sourced import Sourced
from netra.agents.prompt_sample import MOST_REFERENCES
from netra.analysis.prefix_breaks import GROWN, is_chained, prefix_breaks
from netra.catalog.params import PrefixBreakersParams
from netra.errors import InsufficientData


def run(inputs: Inputs, params: PrefixBreakersParams, context: Context) -> StageResult:
    """Compares each prompt with an earlier one of its session.

    Raises:
        InsufficientData: no event has block hashes, or no prompt has one before it.
        StageCancelled: the stage was asked to stop.
    """
    traffic = read_prompts(inputs, params, context, MOST_REFERENCES)
    prompts = traffic.prompts
    wider = traffic.wider if params.across_sessions else np.full_like(traffic.wider, -1)
    chained = is_chained(prompts.blocks, prompts.offsets, prompts.distinct)
    context.progress(0.75, "comparing prompts")
    breaks = prefix_breaks(
        prompts.blocks, prompts.offsets, prompts.distinct, traffic.streams, wider
    )
    if not (breaks.before >= 0).any():
        needs = ["session_id, with two requests or more of a session on a model"]
        if chained:
            needs.append(UNCHAINED)
        raise InsufficientData("no prompt has one before it that it can be compared with", needs)
    context.progress(0.9, "adding up")
    found = losses(traffic, breaks, params.ttl)
    filters = {"attributes.subagent": "false"} if params.top_level_only else {}
    f = Findings(
        traffic=traffic,
        losses=found,
        kinds=by_kind(found, context.seed),
        chained=chained,
        ttl=params.ttl,
        sourced=Sourced(inputs.workload.id, filters),
        seed=context.seed,
    )
    return StageResult(content=_content(f, params))


def _content(f: Findings, params: PrefixBreakersParams) -> dict[str, Any]:
    shown = figures(f)
    models = [model_name(m) for m in f.traffic.model_names]
    tables = [
        kinds_table(f),
        groups_table(f, "feature", f.traffic.features, f.traffic.feature_names, params.rows),
        groups_table(f, "model", f.traffic.models, models, params.rows),
    ]
    return {
        "requests": f.traffic.requests,
        "compared": f.compared,
        "grown": int((f.losses.breaks.kind == GROWN).sum()),
        "chained_hashes": f.chained,
        "needs": [UNCHAINED] if f.chained else [],
        "share_of_sessions": f.traffic.prompts.share,
        "breakers": [_kind_json(k, f) for k in f.kinds],
        "prices": f.traffic.prices,
        "method": f.method,
        "figures": {name: msgspec.to_builtins(figure) for name, figure in shown.items()},
        "section": msgspec.to_builtins(chapter(f, shown, [t for t in tables if t])),
    }


def _kind_json(k: KindLoss, f: Findings) -> dict[str, Any]:
    known = not k.bound
    return {
        "kind": k.kind,
        "requests": k.count,
        "cached_then": k.alive,
        "median_position_blocks": k.position,
        "median_changed_blocks": k.changed or None,
        "lost_tokens": k.tokens if known else None if f.chained else 0.0,
        "lost_usd": k.usd if known else None if f.chained else 0.0,
        "at_most_tokens": k.tokens if k.bound and f.chained else None,
        "at_most_usd": k.usd if k.bound and f.chained else None,
    }
