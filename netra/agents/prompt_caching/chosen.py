"""The part of the agent's result that says how prompts are to be cached, and how sure that is."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from netra.agents.base import Context
from netra.agents.profiling.sourced import Sourced, as_json
from netra.agents.prompt_caching.chapter import Findings, chapter, figures, rule_in_words
from netra.agents.prompt_caching.choosable import Choosable, choosable
from netra.agents.prompt_caching.gaps import Gaps, gaps
from netra.agents.prompt_caching.learning import Learned, learn, rule_costs
from netra.agents.prompt_replay import PromptRequests
from netra.agents.prompt_sample import PromptSample
from netra.analysis.policy_choice import GroupChoice
from netra.analysis.write_rules import WAYS, WriteRule
from netra.catalog.listed.caching import PROMPT_COLUMNS
from netra.catalog.params import PromptCacheParams
from netra.errors import InsufficientData
from netra.schemas.figure import Figure
from netra.schemas.report import Change, Recommendation, Section

#: What not writing means for later requests: the model that rules are replayed by.
RULE_MODEL = (
    "what a request does not write is not in the cache: the next one reads no more than this one"
    " did; reading begins a block's lifetime anew, at the length at which it was written"
)
_GROUPS_SHOWN = 50


def chosen(
    requests: PromptRequests,
    sample: PromptSample,
    params: PromptCacheParams,
    sourced: Sourced,
    context: Context,
    *,
    anchored: bool,
) -> dict[str, Any]:
    """`ttl_choice`, `request_rules`, `gaps` and `section` of the content.

    Raises:
        StageCancelled: the stage was asked to stop.
    """
    assert requests.caches is not None
    found_gaps = gaps(requests, requests.caches)
    told: dict[str, Any] = {"gaps": _gaps_json(found_gaps)}
    try:
        of = choosable(requests, anchored)
    except InsufficientData as e:
        lacking = {"status": "insufficient_data", "detail": e.detail, "needs": list(e.needs)}
        section = Section(
            id="prompt-cache",
            title="The provider's prompt cache",
            says=f"{e.detail[:1].upper()}{e.detail[1:]}.",
            status="insufficient_data",
            needs=tuple(e.needs),
        )
        return told | {
            "ttl_choice": lacking,
            "request_rules": lacking,
            "section": msgspec.to_builtins(section),
        }
    seed = context.seed if params.seed is None else params.seed
    found_rules = rule_costs(requests, sample.prompts(), of, context)
    learned = learn(
        of, found_rules, context,
        splits=params.splits, seed=seed, min_gain_share=params.min_gain_share,
    )  # fmt: skip
    f = Findings(
        of=of, learned=learned, rules=found_rules, gaps=found_gaps, sourced=sourced, seed=seed
    )
    shown = figures(f)
    return told | {
        "ttl_choice": _choice_json(of, learned, seed, shown),
        "request_rules": _rules_json(f, shown),
        "section": msgspec.to_builtins(chapter(f, shown)),
    }


def _gaps_json(found: Gaps | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "n": found.n,
        "within_5_minutes": found.within_5m,
        "within_1_hour": found.within_1h,
        "later": found.later,
    }


def _choice_json(
    of: Choosable, learned: Learned, seed: int, shown: dict[str, Figure]
) -> dict[str, Any]:
    choice = learned.choice
    by = None
    names = list(of.columns)
    if choice.column is not None:
        texts = of.columns[names[choice.column]][1]
        policies = {texts[g]: WAYS[p] for g, p in choice.exceptions.items()}
        by = {"column": names[choice.column], "policies": policies}
    judged = [
        _judged(column, of.columns[column][1], one)
        for column, groups in zip(names, choice.judged, strict=True)
        for one in groups[:_GROUPS_SHOWN]
    ]
    verify = ["verify_none", "verify_ttl_5m", "verify_ttl_1h", "verify_chosen", "verify_hindsight"]
    return {
        "default": WAYS[choice.overall],
        "by": by,
        "sessions": of.sessions,
        "requests": int(of.rows.sum()),
        "verified_on": "later sessions" if of.by_time else "other sessions",
        "splits": len(learned.excess),
        "seed": seed,
        "excess_over_best_fixed": shown["ttl_excess_over_best_fixed"].value,
        "verify_usd": {name.removeprefix("verify_"): shown[name].value for name in verify},
        "groups": judged,
        "notes": list(of.notes),
    }


def _judged(column: str, texts: list[str], one: GroupChoice) -> dict[str, Any]:
    return {
        "column": column,
        "name": texts[one.group],
        "policy": WAYS[one.policy],
        "gain_usd": one.gain,
        "interval": None if one.low is None else [one.low, one.high],
        "accepted": one.accepted,
        "reason": one.reason,
    }


def _rules_json(f: Findings, shown: dict[str, Figure]) -> dict[str, Any]:
    rule = f.learned.rule
    if f.rules is None or rule is None:
        needs = ["prompts of at least 20 sessions that fit in memory"]
        return {"status": "insufficient_data", "needs": needs}
    return {
        "best": _rule_json(rule) | {"says": rule_in_words(rule)},
        "tried": len(f.rules.rules),
        "saving": msgspec.to_builtins(shown["rule_saving"]),
        "proposed": _proposed(f),
        # Not among the report's recommendations: the plan's choice of one lifetime is the same
        # money, and the two do not add up.
        "proposal": as_json(_proposal(f, rule, shown)) if _proposed(f) else None,
        "excess_over_best_fixed": shown["rule_excess_over_best_fixed"].value,
        "share_of_sessions": f.rules.share,
        "model": RULE_MODEL,
    }


def _rule_json(rule: WriteRule) -> dict[str, Any]:
    return {
        "feature": rule.feature,
        "threshold": rule.threshold,
        "below": WAYS[rule.below],
        "from_it_on": WAYS[rule.above],
    }


def _proposed(f: Findings) -> bool:
    """Whether the rule's saving on sessions that it has not seen is above nothing."""
    return f.learned.rule_saving is not None and f.learned.rule_saving.low > 0


def _proposal(f: Findings, rule: WriteRule, shown: dict[str, Figure]) -> Recommendation:
    before, after = f.learned.rule_usd
    source = f.sourced.source(PROMPT_COLUMNS)
    money = {"unit": "USD", "n": shown["rule_saving"].n, "source": source}
    said = rule_in_words(rule)
    return Recommendation(
            id="prompt_writes",
            lever="prompt_caching",
            title=f"Decide at each request: {said}",
            baseline=Figure(
                label="Cost of the sessions not seen, with the best one lifetime for all",
                value=before, method="replay at list prices", **money,
            ),
            projected=Figure(
                label="Their cost with the rule", value=after, method=RULE_MODEL, **money
            ),
            saving=Figure(
                label="Saved on them",
                value=before - after, method="difference of the two", **money,
            ),
            backtest=shown["rule_saving"],
            evidence=(shown["rule_excess_over_best_fixed"],),
            change=Change(kind="json", content=json.dumps(_rule_json(rule), indent=2)),
            rollback="Send the same cache_control with every request again.",
            risk="Outputs cannot change. The rule was learned on this traffic; where sessions"
            " pause otherwise it may cost more than one lifetime for all.",
            effort="A condition where requests are built.",
    )  # fmt: skip
