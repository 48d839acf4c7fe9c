"""The lever `prompt_caching`: how long the provider keeps prompts, for all or for some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netra.agents.columns import Floats, Mask
from netra.agents.planning.baselines import Baseline
from netra.agents.planning.parts import blocks_of
from netra.agents.planning.traffic import POLICY_NAMES, Names, PricedTraffic
from netra.analysis.policy_choice import GroupChoice, choose_by_group, choose_one

LEVER = "prompt_caching"
#: More rules than this are nobody's configuration; those that save most are kept.
MOST_RULES = 50
#: Groups of a column that the result lists, accepted or not.
_SHOWN_GROUPS = 100


@dataclass(frozen=True, kw_only=True)
class PromptPolicy:
    """A frozen choice: everything that is needed to apply it to other traffic."""

    default: str
    #: `model` or `feature`, where some of them have a policy of their own.
    column: str | None = None
    #: Those policies, by the column's text.
    by_name: Mapping[str, str] = field(default_factory=dict)
    #: Only events of this selection are changed; empty: all.
    where: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "default": self.default,
            "by": {"column": self.column, "policies": dict(self.by_name)} if self.column else None,
            "where": dict(self.where),
        }


def read_policy(content: Mapping[str, Any]) -> PromptPolicy:
    """The policy that `as_json` wrote."""
    by = content.get("by") or {"column": None, "policies": {}}
    return PromptPolicy(
        default=content["default"],
        column=by["column"],
        by_name=by["policies"],
        where=content.get("where", {}),
    )


def apply_policy(policy: PromptPolicy, traffic: PricedTraffic, baseline: Baseline) -> Floats:
    """What each event costs under the policy; as today where it changes nothing. Shape (n,)."""
    codes = np.full(len(traffic), POLICY_NAMES.index(policy.default))
    if policy.column:
        names = _names(traffic, policy.column)
        for text, chosen in policy.by_name.items():
            if text in names.texts:
                codes[names.codes == names.texts.index(text)] = POLICY_NAMES.index(chosen)
    chosen_costs = np.take_along_axis(traffic.costs, codes[:, None], axis=1)[:, 0]
    changed = traffic.eligible & traffic.scope(policy.where)
    return np.where(changed, chosen_costs, baseline.costs)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The choice, and what it was chosen from."""

    policy: PromptPolicy
    #: USD of the fit part's eligible requests under each policy.
    totals: dict[str, float]
    requests: int
    #: What was found for models and features that would be cheaper with another policy.
    groups: list[dict[str, Any]]
    notes: list[str]


def choose_policy(
    traffic: PricedTraffic, fit: Mask, where: Mapping[str, Any], *, min_gain_share: float, seed: int
) -> Chosen:
    """The cheapest policy on the fit part, and of one column the groups that deserve their own.

    Args:
        fit: the events that may be looked at.
        where: the goal's selection; empty: all events.
        min_gain_share: the least saving worth a rule of its own, as a share of the cost.

    Raises:
        InsufficientData: no eligible request is in the fit part.
    """
    rows = fit & traffic.eligible & traffic.scope(where)
    costs = traffic.costs[rows]
    overall = choose_one(costs)
    total = float(costs[:, overall].sum())
    totals = dict(zip(POLICY_NAMES, costs.sum(axis=0).tolist(), strict=True))
    found: list[dict[str, Any]] = []
    notes: list[str] = []
    best: tuple[float, str, dict[str, str]] = (0.0, "", {})
    for column in ("model", "feature"):
        names = _names(traffic, column)
        if not separable(traffic, rows, names):
            notes.append(f"sessions mix {column}s that share cached prompts: no policy by {column}")
            continue
        choices = choose_by_group(
            costs,
            names.codes[rows],
            blocks_of(traffic, rows).codes,
            overall,
            seed=seed,
            min_gain=min_gain_share * total,
        )
        found += [_group_json(column, names, choice) for choice in choices[:_SHOWN_GROUPS]]
        if len(choices) > _SHOWN_GROUPS:
            notes.append(f"{len(choices) - _SHOWN_GROUPS:,} more {column}s were looked at")
        taken = [c for c in choices if c.accepted][:MOST_RULES]
        if (gain := sum(c.gain for c in taken)) > best[0]:
            best = gain, column, {names.texts[c.group]: POLICY_NAMES[c.policy] for c in taken}
    policy = PromptPolicy(
        default=POLICY_NAMES[overall], column=best[1] or None, by_name=best[2], where=dict(where)
    )
    return Chosen(policy=policy, totals=totals, requests=int(rows.sum()), groups=found, notes=notes)


def separable(traffic: PricedTraffic, rows: Mask, names: Names) -> bool:
    """Whether requests of two groups never share cached blocks: then costs by group add up.

    Blocks are shared within a session on a model, so models never share any, and features do
    where a session on a model has requests of two of them.
    """
    if names is traffic.models:
        return True
    sessions = traffic.sessions.codes[rows].astype(np.int64) + 1
    caches = sessions << 32 | (traffic.models.codes[rows].astype(np.int64) + 1)
    order = np.argsort(caches, kind="stable")
    same_cache = np.diff(caches[order]) == 0
    other_name = np.diff(names.codes[rows][order]) != 0
    return not bool((same_cache & other_name).any())


def _names(traffic: PricedTraffic, column: str) -> Names:
    return traffic.models if column == "model" else traffic.features


def _group_json(column: str, names: Names, choice: GroupChoice) -> dict[str, Any]:
    return {
        "column": column,
        "name": names.texts[choice.group],
        "policy": POLICY_NAMES[choice.policy],
        "gain_usd": choice.gain,
        "interval": None if choice.low is None else [choice.low, choice.high],
        "blocks": choice.blocks,
        "accepted": choice.accepted,
        "reason": choice.reason,
    }
