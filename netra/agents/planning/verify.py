"""The frozen plan applied to traffic that it has not seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import numpy as np

from netra.agents.columns import Floats, Mask
from netra.agents.planning.baselines import Baseline
from netra.agents.planning.parts import blocks_of
from netra.agents.planning.prompt_lever import PromptPolicy, apply_policy
from netra.agents.planning.savings import Draw, Part, Saving, cost_saving
from netra.agents.planning.traffic import OFFERED, PricedTraffic
from netra.agents.reporting.goal_items import cost_selections
from netra.schemas.goal import Goal
from netra.schemas.report import Chart

#: Columns of the histogram of savings by session.
_BINS = 24


def verify_costs(
    traffic: PricedTraffic,
    verify: Mask,
    goal: Goal,
    policy: PromptPolicy | None,
    baselines: list[Baseline],
    part: Part,
    draw: Draw,
) -> list[dict[str, Any]]:
    """Savings for each selection whose cost the goal names, under each assumption of today."""
    scopes: list[dict[str, Any]] = []
    for where in cost_selections(goal):
        savings: list[dict[str, Any]] = []
        for baseline in baselines:
            after = apply_policy(policy, traffic, baseline) if policy else baseline.costs
            saved = cost_saving(traffic, verify, where, baseline, after, part, draw)
            savings.append({"assumed": baseline.as_json(), **saved.as_json()})
        scopes.append({"where": where, "savings": savings})
    return scopes


def verify_lever(
    traffic: PricedTraffic,
    verify: Mask,
    policy: PromptPolicy,
    baseline: Baseline,
    part: Part,
    draw: Draw,
) -> Saving:
    """What the lever saves on the requests that it changes."""
    rows = verify & traffic.eligible & traffic.scope(policy.where)
    after = apply_policy(policy, traffic, baseline)
    return cost_saving(traffic, rows, {}, baseline, after, part, draw)


def cost_charts(
    traffic: PricedTraffic,
    verify: Mask,
    policy: PromptPolicy,
    baseline: Baseline,
    part: Part,
    draw: Draw,
) -> Iterator[Chart]:
    """Policies side by side on the verify part, and how the saving spreads over sessions."""
    rows = verify & traffic.eligible & traffic.scope(policy.where)
    if not rows.any():
        return
    options: list[tuple[str, Saving]] = []
    for i, offered in enumerate(OFFERED):
        costs = np.where(traffic.eligible, traffic.costs[:, i], baseline.costs)
        saved = cost_saving(traffic, rows, {}, baseline, costs, part, draw)
        options.append((offered.label, saved))
    if policy.by_name:
        after = apply_policy(policy, traffic, baseline)
        saved = cost_saving(traffic, rows, {}, baseline, after, part, draw)
        options.append(("the plan", saved))
    yield _options_chart(options)
    if spread := _spread_chart(traffic, rows, policy, baseline):
        yield spread


def _options_chart(options: list[tuple[str, Saving]]) -> Chart:
    figures = [saved.projected for _, saved in options]
    return Chart(
        id="backtest-policies",
        title="Cost of the unseen traffic by prompt-cache policy",
        kind="bar",
        x_label="Policy",
        y_label="Cost at list prices (USD)",
        series=(
            {
                "name": "cost",
                "x": [label for label, _ in options],
                "y": [f.value for f in figures],
                "lower": [f.interval[0] if f.interval else None for f in figures],
                "upper": [f.interval[1] if f.interval else None for f in figures],
            },
        ),
        caption="The same requests replayed under each policy; whiskers are block-bootstrap"
        " intervals, and share their draws.",
    )


def _spread_chart(
    traffic: PricedTraffic, rows: Mask, policy: PromptPolicy, baseline: Baseline
) -> Chart | None:
    """How many sessions (or stretches of time) save how much."""
    blocks = blocks_of(traffic, rows, merge=False)
    before = np.bincount(blocks.codes, baseline.costs[rows], minlength=blocks.count)
    projected = apply_policy(policy, traffic, baseline)[rows]
    after = np.bincount(blocks.codes, projected, minlength=blocks.count)
    shares = 1 - after[before > 0] / before[before > 0]
    if len(shares) < 2:
        return None
    counts, edges = np.histogram(shares, bins=_edges(shares))
    lose = int((shares < 0).sum())
    return Chart(
        id="backtest-spread",
        title=f"Saving by {blocks.kind.removesuffix('s')}, unseen traffic",
        kind="histogram",
        x_label="Saved (share)",
        y_label=blocks.kind.capitalize(),
        series=({"name": blocks.kind, "x": edges.tolist(), "y": counts.tolist()},),
        caption=f"{lose:,} of {len(shares):,} {blocks.kind} pay more under the plan"
        f"{f', if {baseline.text}' if baseline.text else ''}.",
    )


def _edges(shares: Floats) -> Floats:
    """Edges over all values, one of them at zero, so that gains and losses never share a column."""
    low, high = min(float(shares.min()), 0.0), max(float(shares.max()), 0.0)
    step = max((high - low) / _BINS, 1e-6)
    return np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step


def lever_json(lever: str, saved: Saving, assumed: Mapping[str, Any] | None) -> dict[str, Any]:
    """A lever's entry in the backtest's result."""
    return {"lever": lever, "assumed": assumed, **saved.as_json()}


def charts_json(charts: Iterator[Chart]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(chart) for chart in charts]
