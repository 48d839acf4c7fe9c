"""What the report says of the provider's prompt cache: the choice, its worth, its charts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from netra.agents.columns import Floats
from netra.agents.planning.changes import SPOKEN
from netra.agents.profiling.sourced import LEVEL, Sourced
from netra.agents.prompt_caching.choosable import Choosable
from netra.agents.prompt_caching.gaps import Gaps
from netra.agents.prompt_caching.learning import Learned, RuleCosts
from netra.analysis.bootstrap import block_bootstrap
from netra.analysis.write_rules import WAYS, WriteRule
from netra.catalog.listed.caching import PROMPT_COLUMNS
from netra.reports.formatting import format_share, format_value
from netra.schemas.figure import Figure
from netra.schemas.report import Chart, Mark, Section

#: The rows of `Learned.sums`.
_OPTIONS = (
    ("none", "no prompt cache"),
    ("ttl_5m", "5 minutes"),
    ("ttl_1h", "1 hour"),
    ("chosen", "as learned on the other half"),
    ("hindsight", "best of each session, hindsight"),
)
_FEATURES = {
    "position": "from request {0:.0f} of a session on",
    "gap_s": "once at least {0:,.0f} s have gone by since the session's request before",
    "longest_gap_s": "once a session has paused for at least {0:,.0f} s",
    "input_tokens": "if the prompt has at least {0:,.0f} tokens",
    "new_share": "if at least {0:.0%} of the prompt is new to the cache",
}


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the chapter is made of."""

    of: Choosable
    learned: Learned
    rules: RuleCosts | None
    gaps: Gaps | None
    sourced: Sourced
    seed: int


def rule_in_words(rule: WriteRule) -> str:
    """What the rule tells each request."""
    threshold = rule.threshold + 1 if rule.feature == "position" else rule.threshold
    above, below = SPOKEN[WAYS[rule.above]], SPOKEN[WAYS[rule.below]]
    condition = _FEATURES[rule.feature].format(threshold)
    return f"cache {above} {condition}, else {below}".replace("cache not at all", "do not cache")


def figures(f: Findings) -> dict[str, Figure]:
    """The costs on the half not seen, what the choice loses and what a rule would gain."""
    verify = ~f.learned.fit
    n = int(verify[f.of.blocks].sum())
    source = f.sourced.source(PROMPT_COLUMNS)
    found: dict[str, Figure] = {}
    for (name, label), sums in zip(_OPTIONS, f.learned.sums, strict=True):
        interval = block_bootstrap(sums[None, verify], _total, xp=np, seed=f.seed)
        found[f"verify_{name}"] = Figure(
            label=f"Cost of the sessions not seen: {label}",
            value=interval.estimate,
            unit="USD",
            interval=(interval.low, interval.high),
            level=interval.level,
            n=n,
            method=(
                f"replay and list prices as for all requests, on {_unseen(f)};"
                f" {_drawn(f, interval.resamples)}"
            ),
            source=source,
        )
    what = "cost of the learned lifetimes on the sessions not seen / cost of the fixed lifetime"
    found["ttl_excess_over_best_fixed"] = _over_splits(
        f, "Learned lifetimes above the best fixed one", what, f.learned.excess
    )
    if f.learned.rule is not None and f.learned.rule_saving is not None:
        what = "cost of the best rule of the fit half / cost of the fixed lifetime"
        found["rule_excess_over_best_fixed"] = _over_splits(
            f, "The best per-request rule above the best fixed lifetime", what,
            f.learned.rule_excess,
        )  # fmt: skip
        saving = f.learned.rule_saving
        found["rule_saving"] = Figure(
            label=f"Saved by the best per-request rule ({rule_in_words(f.learned.rule)})",
            value=saving.estimate,
            unit="share",
            interval=(saving.low, saving.high),
            level=saving.level,
            n=n,
            method=(
                f"the rule that is cheapest on one half of the sessions, on {_unseen(f)}, against"
                f" the lifetime that is cheapest on the first; {_drawn(f, saving.resamples)}"
            ),
            source=source,
        )
    return found


def _unseen(f: Findings) -> str:
    return "the later half of them" if f.of.by_time else "the other half of them, drawn at random"


def _total(totals: Any) -> Any:
    return totals[0, :]


def _drawn(f: Findings, resamples: int) -> str:
    return f"interval from {resamples:,} draws of {f.of.kind}"


def _over_splits(f: Findings, label: str, what: str, excess: Floats) -> Figure:
    low, high = np.quantile(excess, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return Figure(
        label=f"{label}, median of {len(excess)} splits",
        value=float(np.median(excess)),
        unit="share",
        interval=(low, high),
        level=LEVEL,
        n=len(excess),
        method=(
            f"{what} that is cheapest there, less 1; median over random halves of the"
            f" {f.of.sessions:,} sessions; interval: where {LEVEL:.0%} of the splits lie"
        ),
        source=f.sourced.source(PROMPT_COLUMNS),
    )


def chapter(f: Findings, found: dict[str, Figure]) -> Section:
    """The chapter `prompt-cache` of the report."""
    return Section(
        id="prompt-cache",
        title="The provider's prompt cache",
        says=_says(f, found),
        figures=tuple(found.values()),
        charts=tuple(_charts(f, found)),
    )


def _says(f: Findings, found: dict[str, Figure]) -> str:
    learned = f.learned
    way = SPOKEN[WAYS[learned.choice.overall]]
    said = f"Do not cache prompts{'' if way == 'not at all' else ' ' + way}"
    if learned.choice.overall:
        said = f"Cache all prompts {way}"
    cost = found["verify_chosen"]
    if learned.choice.column is not None:
        column = list(f.of.columns)[learned.choice.column]
        said += f", with {len(learned.choice.exceptions)} {column}s on their own lifetime"
        said += f": that costs {_money(cost)} on the sessions that the choice has not seen"
    else:
        dearer = ", ".join(
            f"{_money(found[f'verify_{name}'])} with {label}"
            for i, (name, label) in enumerate(_OPTIONS[:3])
            if i != learned.choice.overall
        )
        said += (
            f": on the sessions that the choice has not seen that costs {_money(cost)} ({dearer}),"
            f" and no lifetime by {' or '.join(f.of.columns)} does better where it was not chosen"
        )
    return f"{said}. {_rule_says(f, found)}"


def _rule_says(f: Findings, found: dict[str, Figure]) -> str:
    if (saving := found.get("rule_saving")) is None or f.learned.rule is None:
        return "Per-request rules were not tried: too few sessions' prompts could be kept."
    low, high = saving.interval or (0.0, 0.0)
    worth = (
        f"saves {format_share(saving.value)} (between {format_share(low)} and"
        f" {format_share(high)}) there"
    )
    verdict = "and is worth trying" if low > 0 else "and is not proposed: that may be nothing"
    return f"The best per-request rule, {rule_in_words(f.learned.rule)}, {worth}, {verdict}."


def _money(figure: Figure) -> str:
    return format_value(figure.value, figure.unit)


def _charts(f: Findings, found: dict[str, Figure]) -> Iterator[Chart]:
    yield _costs_chart(f, found)
    yield _splits_chart(f)
    if f.gaps is not None:
        yield _gaps_chart(f.gaps)


def _costs_chart(f: Findings, found: dict[str, Figure]) -> Chart:
    shown = [(label, found[f"verify_{name}"]) for name, label in _OPTIONS]
    ends = [figure.interval or (None, None) for _, figure in shown]
    verify = int((~f.learned.fit).sum())
    return Chart(
        id="prompt-cache-lifetimes",
        title="What the sessions not seen cost, by lifetime",
        kind="bar",
        x_label="lifetime",
        y_label="Cost at list prices (USD)",
        series=(
            {
                "name": "cost",
                "x": [label for label, _ in shown],
                "y": [figure.value for _, figure in shown],
                "lower": [low for low, _ in ends],
                "upper": [high for _, high in ends],
            },
        ),
        caption=(
            f"Half of the {f.of.sessions:,} sessions were learned on; these are the"
            f" {'later' if f.of.by_time else 'other'} half ({verify:,} {f.of.kind})."
            " Whiskers: 90 % of the draws of them."
        ),
    )


def _splits_chart(f: Findings) -> Chart:
    lines = [("learned lifetimes", f.learned.excess)]
    if len(f.learned.rule_excess):
        lines.append(("best per-request rule", f.learned.rule_excess))
    ranks = list(range(1, len(f.learned.excess) + 1))
    return Chart(
        id="prompt-cache-splits",
        title="What was learned, on the half that it has not seen",
        kind="line",
        x_label=f"{len(ranks)} random halves of the sessions, best first",
        y_label="share above the best fixed lifetime of that half",
        series=tuple({"name": n, "x": ranks, "y": np.sort(e).tolist()} for n, e in lines),
        marks=(Mark(axis="y", at=0.0, label="the best fixed lifetime, in hindsight"),),
        caption="Below the line: cheaper than any one lifetime for all, on unseen sessions.",
    )


def _gaps_chart(g: Gaps) -> Chart:
    lines = [("requests", g.share)]
    if g.token_share:
        lines.append(("their tokens that were sent before", g.token_share))
    return Chart(
        id="prompt-cache-gaps",
        title="How soon a session's next request comes",
        kind="line",
        x_label="seconds since the request before",
        y_label="share that came by then",
        x_scale="log",
        series=tuple({"name": name, "x": g.seconds, "y": share} for name, share in lines),
        marks=(
            Mark(axis="x", at=300, label="5 minutes"),
            Mark(axis="x", at=3600, label="1 hour"),
        ),
        caption=(
            f"{format_share(g.within_5m)} of {g.n:,} requests come within 5 minutes of"
            " the one before,"
            f" {format_share(g.within_1h)} after that and within the hour,"
            f" {format_share(g.later)} later."
        ),
    )
