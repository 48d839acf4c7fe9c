"""What is paid today: recorded, told by what was paid, or one stated assumption beside others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netra.agents.columns import Floats, Mask
from netra.agents.planning.traffic import POLICY_NAMES, PricedTraffic

#: What was paid tells the policy if the sum of its errors is at most this share of the payments…
_MATCH = 0.02
#: … and the next best policy is farther off by this factor.
_CLEAR = 3.0
ASSUMPTIONS = {
    "none": "prompts are not cached today",
    "ttl_5m": "prompts are cached for 5 minutes today",
    "ttl_1h": "prompts are cached for 1 hour today",
}
#: What would tell which assumption is true.
NEEDS = ("cached_input_tokens (or cost_usd), or the parameter plan.baseline",)


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """One way in which today's traffic may be paid."""

    #: `recorded`, or a policy's name.
    name: str
    #: The assumption in words; empty where it is known.
    text: str
    #: How it is known, or that it is not.
    why: str
    #: Each event's cost; shape (n,).
    costs: Floats

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "text": self.text, "why": self.why}


def find_baselines(traffic: PricedTraffic, rows: Mask, stated: str) -> list[Baseline]:
    """The baseline where it is known; else one for each policy, the first being the one shown.

    Args:
        rows: the events that may be looked at (the fit part).
        stated: a policy that the job says is used today, or `auto`.
    """
    if stated != "auto":
        return [_policy(traffic, stated, "", "the job's parameters say so")]
    looked = rows & traffic.eligible
    if looked.any() and traffic.cached_known[looked].all():
        why = "the trace records the cached tokens of every request"
        return [Baseline(name="recorded", text="", why=why, costs=traffic.recorded)]
    if told := _told_by_payments(traffic, looked):
        why = "what was paid is what this costs at list prices"
        return [_policy(traffic, told, "", why)]
    why = "the trace does not record cached tokens, nor what was paid at list prices"
    return [_policy(traffic, name, ASSUMPTIONS[name], why) for name in POLICY_NAMES]


def baseline_named(traffic: PricedTraffic, content: dict[str, Any]) -> Baseline:
    """The baseline that a plan froze."""
    name, text, why = content["name"], content["text"], content["why"]
    if name == "recorded":
        return Baseline(name=name, text=text, why=why, costs=traffic.recorded)
    return _policy(traffic, name, text, why)


def _policy(traffic: PricedTraffic, name: str, text: str, why: str) -> Baseline:
    return Baseline(name=name, text=text, why=why, costs=traffic.costs[:, POLICY_NAMES.index(name)])


def _told_by_payments(traffic: PricedTraffic, rows: Mask) -> str | None:
    """The policy whose list-price cost is what was paid, request by request."""
    paid = traffic.paid[rows]
    if not len(paid) or np.isnan(paid).any() or paid.sum() <= 0:
        return None
    off = np.abs(traffic.costs[rows] - paid[:, None]).sum(axis=0) / paid.sum()
    order = np.argsort(off, kind="stable")
    best, second = float(off[order[0]]), float(off[order[1]])
    clear = best <= _MATCH and second > _CLEAR * best
    return POLICY_NAMES[int(order[0])] if clear else None
