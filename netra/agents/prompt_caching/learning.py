"""What a choice of lifetimes, and the best rule of the family, are worth on unseen sessions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from netra.agents.base import Context
from netra.agents.columns import Floats, Mask
from netra.agents.prompt_caching.choosable import LEAST_SESSIONS, WRITE_1H, WRITE_5M, Choosable
from netra.agents.prompt_replay import NEVER_EXPIRES, PromptRequests
from netra.agents.prompt_sample import Prompts
from netra.analysis.bootstrap import BootstrapInterval, block_bootstrap, relative_saving
from netra.analysis.cache_writes import Actions, replay_writes
from netra.analysis.compiled import Int32s, Int64s
from netra.analysis.prompt_cost import prompt_costs, sums_by_group
from netra.analysis.prompt_segments import prompt_segments, within_caches
from netra.analysis.ttl_choice import (
    TtlChoice,
    choose_ttl,
    excess_over_best_fixed,
    half_splits,
)
from netra.analysis.write_rules import LIFETIMES_US, WriteRule, costs_by_rule, request_features
from netra.analysis.write_rules import rules as all_rules
from netra.catalog.prices import RATE_NAMES
from netra.errors import StageCancelled

_INPUT, _OUTPUT = RATE_NAMES.index("input"), RATE_NAMES.index("output")
_READ = RATE_NAMES.index("cache_read")
_RULES_AT_A_TIME = 16


@dataclass(frozen=True, kw_only=True)
class RuleCosts:
    """What each block costs under each rule of the family."""

    rules: list[WriteRule]
    #: Shape (rules, blocks).
    sums: Floats
    #: What the same requests cost under each fixed lifetime; shape (3, blocks).
    fixed: Floats
    #: The share of sessions that the replay is of.
    share: float


@dataclass(frozen=True, kw_only=True)
class Learned:
    """The choice on one half of the sessions, and how it and others do on the other half."""

    choice: TtlChoice
    fit: Mask
    #: USD of each block: no cache, 5 minutes, 1 hour, the choice, the best of 5 minutes and
    #: 1 hour in hindsight; shape (5, blocks).
    sums: Floats
    #: What the choice costs above the best fixed lifetime on the half not seen, by split.
    excess: Floats
    #: The same of the best rule; empty where no rule could be replayed.
    rule_excess: Floats
    #: The rule that is best on the fit half, and what it saves on the other against the lifetime
    #: that was best on the fit half.
    rule: WriteRule | None
    rule_saving: BootstrapInterval | None
    #: USD of that lifetime and of that rule on the half not seen, on the sessions replayed.
    rule_usd: tuple[float, float]


def learn(
    of: Choosable,
    rule_costs: RuleCosts | None,
    context: Context,
    *,
    splits: int,
    seed: int,
    min_gain_share: float,
) -> Learned:
    """Learns on halves of the sessions, and verifies on the other halves.

    The choice that is reported was learned on the earlier half where times can be compared, as
    only that shows whether it lasts, else on a random one.

    Raises:
        StageCancelled: the stage was asked to stop.
    """
    columns = [codes for codes, _ in of.columns.values()]
    fixed = _fixed_sums(of)

    def charged(fit: Mask) -> tuple[TtlChoice, Floats]:
        rows = fit[of.blocks]
        choice = choose_ttl(
            of.costs[rows], of.blocks[rows], [c[rows] for c in columns],
            seed=seed, min_gain_share=min_gain_share,
        )  # fmt: skip
        return choice, choice.charged(of.costs, columns)

    halves = half_splits(of.count, splits, seed)
    excess, rule_excess = np.zeros(splits), np.zeros(splits if rule_costs else 0)
    for i, fit in enumerate(halves):
        if context.cancelled():
            raise StageCancelled
        context.progress(0.9 + 0.09 * i / splits, f"split {i + 1} of {splits}")
        unseen = ~fit[of.blocks]
        excess[i] = excess_over_best_fixed(of.costs[unseen], charged(fit)[1][unseen])
        if rule_costs is not None:
            rule_excess[i] = _rule_excess(rule_costs, fit)
    main = np.arange(of.count) < of.count // 2 if of.by_time else halves[0]
    choice, costs = charged(main)
    rule, saving, usd = _best_rule(rule_costs, main, seed)
    chosen = sums_by_group(costs[None], of.blocks, of.count)
    return Learned(
        choice=choice,
        fit=main,
        sums=np.concatenate([fixed, chosen, fixed[1:].min(axis=0)[None]]),
        excess=excess,
        rule_excess=rule_excess,
        rule=rule,
        rule_saving=saving,
        rule_usd=usd,
    )


def _fixed_sums(of: Choosable, rows: Any = slice(None)) -> Floats:
    """USD of each block under each fixed lifetime; shape (3, blocks)."""
    blocks = of.blocks[rows]
    return sums_by_group(of.costs[rows].T, blocks, of.count)


def _rule_excess(found: RuleCosts, fit: Mask) -> float:
    best = int(np.argmin(found.sums[:, fit].sum(axis=1)))
    return float(found.sums[best, ~fit].sum() / found.fixed[:, ~fit].sum(axis=1).min() - 1)


def _best_rule(
    found: RuleCosts | None, fit: Mask, seed: int
) -> tuple[WriteRule | None, BootstrapInterval | None, tuple[float, float]]:
    if found is None:
        return None, None, (0.0, 0.0)
    best = int(np.argmin(found.sums[:, fit].sum(axis=1)))
    lifetime = int(np.argmin(found.fixed[:, fit].sum(axis=1)))
    pair = np.stack([found.fixed[lifetime, ~fit], found.sums[best, ~fit]])
    interval = block_bootstrap(pair, relative_saving, xp=np, seed=seed)
    return found.rules[best], interval, (float(pair[0].sum()), float(pair[1].sum()))


def rule_costs(
    requests: PromptRequests, prompts: Prompts, of: Choosable, context: Context
) -> RuleCosts | None:
    """Replays every rule of the family; None if too few sessions were kept.

    Raises:
        StageCancelled: the stage was asked to stop.
    """
    assert requests.caches is not None
    rows = prompts.rows
    kept = of.rows[rows]
    # Which of the choosable requests they are.
    places = (np.cumsum(of.rows) - 1)[rows[kept]]
    if len(np.unique(requests.sessions[rows[kept]])) < LEAST_SESSIONS:
        return None
    times, caches = requests.times_us[rows], requests.caches[rows].astype(np.int32)
    cut = prompt_segments(prompts.blocks, prompts.offsets, prompts.distinct)
    segments = within_caches(cut, caches)
    cost_of = _coster(
        requests, rows, kept, lambda actions: replay_writes(times, segments, actions, LIFETIMES_US)
    )
    features = request_features(
        times, caches, requests.input_tokens[rows], requests.hit_tokens[NEVER_EXPIRES, rows]
    )
    blocks = np.zeros(len(rows), np.int32)
    blocks[kept] = of.blocks[places]
    family = list(all_rules())
    sums = np.empty((len(family), of.count))
    for i in range(0, len(family), _RULES_AT_A_TIME):
        if context.cancelled():
            raise StageCancelled
        context.progress(0.8 + 0.1 * i / len(family), f"rule {i + 1} of {len(family)}")
        some = family[i : i + _RULES_AT_A_TIME]
        sums[i : i + len(some)] = costs_by_rule(some, features, cost_of, blocks, of.count)
    return RuleCosts(rules=family, sums=sums, fixed=_fixed_sums(of, places), share=prompts.share)


def _coster(
    requests: PromptRequests,
    rows: Int64s,
    choosable: Mask,
    read: Callable[[Actions], Int32s],
) -> Callable[[Actions], Floats]:
    """USD of each request when all do as told; 0 where nothing can be chosen."""
    assert requests.rates is not None
    assert requests.block_tokens is not None
    rates = requests.rates[rows]
    write_5m = np.where(np.isnan(rates[:, WRITE_5M]), rates[:, _INPUT], rates[:, WRITE_5M])
    write_1h = np.where(np.isnan(rates[:, WRITE_1H]), write_5m, rates[:, WRITE_1H])
    paid = np.stack([rates[:, _INPUT], write_5m, write_1h])
    tokens, block_tokens = requests.input_tokens[rows], requests.block_tokens[rows]

    def cost_of(actions: Actions) -> Floats:
        costs = prompt_costs(
            input_tokens=tokens,
            output_tokens=requests.output_tokens[rows],
            hit_tokens=np.minimum(read(actions) * block_tokens, tokens),
            input_rate=np.take_along_axis(paid, actions[None].astype(np.int64), axis=0)[0],
            read_rate=rates[:, _READ],
            output_rate=rates[:, _OUTPUT],
        )
        return np.where(choosable, costs, 0.0)

    return cost_of
