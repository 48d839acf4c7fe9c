"""What the provider's prompt cache costs and saves, by how long blocks live after a use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from netra.agents.base import Context, Inputs, StageResult
from netra.agents.columns import Codes, Floats
from netra.agents.model_codes import model_name
from netra.agents.profiling.sourced import Sourced
from netra.agents.prompt_caching.chosen import chosen
from netra.agents.prompt_replay import (
    NONE,
    POLICIES,
    TTL_1H,
    TTL_5M,
    PromptRequests,
    replay,
)
from netra.agents.prompt_sample import PromptSample
from netra.analysis.prompt_cost import sums_by_group
from netra.catalog.listed.caching import PROMPT_COLUMNS
from netra.catalog.params import PromptCacheParams
from netra.schemas.figure import Figure

UNCACHED_METHOD = "input and output tokens at their list prices, each request in its own price tier"
METHOD = (
    "replay of the prompts' blocks in the order of requests: a block is alive for {group} if the"
    " request starts at most the lifetime after its last use; hits are the longest prefix of alive"
    " blocks, at most the input; hits at the cache-read price, all other input at the price of a"
    " cache write ({write}), output at its price, each request in its own price tier"
)
_GROUPS = {
    "session": "its session and model (without a session: for its model)",
    "model": "its model, whoever asks",
}
ASSUMPTIONS = (
    "every input token that is not read from the cache is written to it",
    "a block is usable from the start of the request that writes it",
    "the provider's minimum prompt length, limit of cache points and evictions under load are not"
    " modelled",
    "where the price list has no price for 5-minute cache writes, they cost what input costs",
)
_BEST = "best_per_session"


def run(inputs: Inputs, params: PromptCacheParams, context: Context) -> StageResult:
    """Replays every request under each policy, and adds up.

    Raises:
        InsufficientData: no request can be replayed and priced; names what is missing.
        StageCancelled: the stage was asked to stop.
    """
    sample = PromptSample()
    requests = replay(inputs, params, context, sample)
    sourced = Sourced(inputs.workload.id, _filter(params))
    figures = _figures(requests, params, sourced)
    content = {
        "cost_usd": {name: figure.value for name, figure in figures.items()},
        "requests": len(requests),
        "excluded": requests.excluded,
        "left_out": [{"unknown": w, "requests": n} for w, n in requests.left_out.most_common(50)],
        "input_tokens": float(requests.input_tokens.sum()),
        "output_tokens": float(requests.output_tokens.sum()),
        "hit_share": _hit_shares(requests),
        "sessions": _sessions(requests),
        "by_model": _breakdown(
            requests, requests.models, [model_name(m) for m in requests.model_names], params.rows
        ),
        "by_feature": _breakdown(requests, requests.features, requests.feature_names, params.rows),
        "prices": requests.prices,
        "method": METHOD.format(group=_GROUPS[params.share], write="the policy's"),
        "assumptions": list(ASSUMPTIONS),
        "figures": {name: msgspec.to_builtins(figure) for name, figure in figures.items()},
    }
    content |= chosen(requests, sample, params, sourced, context, anchored=inputs.workload.anchored)
    return StageResult(content=content)


def _filter(params: PromptCacheParams) -> dict[str, Any]:
    return {"attributes.subagent": "false"} if params.top_level_only else {}


def _figures(
    requests: PromptRequests, params: PromptCacheParams, sourced: Sourced
) -> dict[str, Figure]:
    """The cost of all requests under each policy, and under the best one for each session."""
    n = len(requests)
    figures: dict[str, Figure] = {}
    for policy, costs in zip(POLICIES, requests.cost_usd, strict=True):
        label = f"Cost with {policy.label}"
        if unpriced := _unpriced(requests, costs):
            figures[policy.name] = sourced.missing(label, "USD", unpriced, *PROMPT_COLUMNS)
        else:
            method = UNCACHED_METHOD
            if policy.lifetime_us is not None:
                method = METHOD.format(group=_GROUPS[params.share], write=policy.label)
            total = float(costs.sum())
            figures[policy.name] = sourced.exact(label, total, "USD", n, method, *PROMPT_COLUMNS)
    label = "Cost with the better lifetime of 5 minutes and 1 hour for each session, in hindsight"
    if (requests.sessions < 0).any():
        best = sourced.missing(label, "USD", ["session_id"], *PROMPT_COLUMNS)
    elif unpriced := _unpriced(requests, requests.cost_usd[TTL_1H]):
        best = sourced.missing(label, "USD", unpriced, *PROMPT_COLUMNS)
    else:
        total = float(_by_session(requests).min(axis=0).sum())
        method = "sum over sessions of the lower of the two policies' costs"
        best = sourced.exact(label, total, "USD", n, method, *PROMPT_COLUMNS)
    figures[_BEST] = best
    return figures


def _unpriced(requests: PromptRequests, costs: Floats) -> list[str]:
    """What prices a policy lacks, where requests have no cost under it."""
    codes = np.unique(requests.models[np.isnan(costs)]).tolist()
    return [f"cache_write_1h price of {model_name(requests.model_names[c])}" for c in codes]


def _by_session(requests: PromptRequests) -> Floats:
    """USD of each session with 5 minutes and with 1 hour; shape (2, sessions)."""
    _, sessions = np.unique(requests.sessions, return_inverse=True)
    count = int(sessions.max()) + 1
    costs = requests.cost_usd[[TTL_5M, TTL_1H]]
    return sums_by_group(costs, sessions.astype(np.int32), count)


def _sessions(requests: PromptRequests) -> dict[str, int | None]:
    """How many there are, and for how many of them which lifetime is cheaper in hindsight."""
    if (requests.sessions < 0).any() or np.isnan(requests.cost_usd[TTL_1H]).any():
        known = len(np.unique(requests.sessions[requests.sessions >= 0]))
        return {"count": known, "ttl_5m_cheaper": None, "ttl_1h_cheaper": None}
    five_minutes, one_hour = _by_session(requests)
    return {
        "count": len(five_minutes),
        "ttl_5m_cheaper": int((five_minutes < one_hour).sum()),
        "ttl_1h_cheaper": int((one_hour < five_minutes).sum()),
    }


def _hit_shares(requests: PromptRequests) -> dict[str, float]:
    """The share of input tokens that each policy reads from the cache."""
    total = requests.input_tokens.sum()
    return {
        policy.name: float(hits.sum() / total) if total else 0.0
        for policy, hits in zip(POLICIES, requests.hit_tokens, strict=True)
        if policy.lifetime_us is not None
    }


def _breakdown(
    requests: PromptRequests, codes: Codes, names: Sequence[str], rows: int
) -> list[dict[str, Any]]:
    """Requests, tokens, cost and hits by group: the costliest, then all the others as one.

    The name is None where it is unknown; `others` says of how many groups a row is the sum.
    """
    places = (codes + 1).astype(np.int32)
    count = len(names) + 1
    costs = sums_by_group(requests.cost_usd, places, count)
    hits = sums_by_group(requests.hit_tokens, places, count)
    tokens = sums_by_group(np.stack([np.ones(len(places)), requests.input_tokens]), places, count)
    found = np.flatnonzero(tokens[0])
    ordered = found[np.argsort(-costs[NONE, found], kind="stable")]
    groups = [[place] for place in ordered[:rows].tolist()]
    if len(ordered) > rows:
        groups.append(ordered[rows:].tolist())
    return [
        {
            "name": names[group[0] - 1] if len(group) == 1 and group[0] else None,
            "others": len(group) if len(group) > 1 else 0,
            "requests": int(tokens[0, group].sum()),
            "input_tokens": float(tokens[1, group].sum()),
            "cost_usd": _by_policy(costs[:, group].sum(axis=1)),
            "hit_tokens": _by_policy(hits[:, group].sum(axis=1)),
        }
        for group in groups
    ]


def _by_policy(values: Floats) -> dict[str, float | None]:
    return {
        policy.name: None if np.isnan(value) else float(value)
        for policy, value in zip(POLICIES, values.tolist(), strict=True)
    }
