"""What the report says of prefix breakers: the finding, its chart, its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netra.agents.columns import Codes
from netra.agents.model_codes import model_name
from netra.agents.prefix_breaking.losses import LOSING, KindLoss, Losses
from netra.agents.prefix_breaking.reading import Traffic
from netra.agents.profiling.sourced import Sourced
from netra.analysis.bootstrap import BootstrapInterval
from netra.analysis.prefix_breaks import FIRST
from netra.reports.formatting import format_share, format_value
from netra.schemas.figure import Figure
from netra.schemas.report import Chart, Section

COLUMNS = ("ts", "session_id", "provider", "model", "feature", "prefix_hashes", "block_tokens")
WORDS = {
    "changed": "changed in place (time, id)",
    "reordered": "same blocks, other order",
    "inserted": "something put in before",
    "removed": "something left out before",
    "mixed": "same blocks elsewhere",
    "rewritten": "other from there on",
    "shortened": "cut by half or more",
    "unrelated": "nothing in common",
}
#: What is missing where hashes cover their prefix.
UNCHAINED = (
    "block hashes that do not depend on the blocks before them (then it can be seen which blocks"
    " come again after a change)"
)
METHOD = (
    "each prompt beside that of the last 4 of its session on its model (a session's first: of its"
    " feature on its model) with which it shares the longest beginning; blocks after the first"
    " difference that are also among the other's are lost hits if the other was sent within"
    " {lifetime} before; money: their tokens at the price of a cache write less that of a read"
)
_LIFETIME = {"5m": "5 minutes", "1h": "1 hour"}


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the chapter is made of."""

    traffic: Traffic
    losses: Losses
    kinds: list[KindLoss]
    #: Whether every block always has the same one before it.
    chained: bool
    ttl: str
    sourced: Sourced
    seed: int

    @property
    def compared(self) -> int:
        return int((self.losses.breaks.kind != FIRST).sum())

    @property
    def method(self) -> str:
        text = METHOD.format(lifetime=_LIFETIME[self.ttl])
        if self.traffic.prompts.share < 1:
            text += (
                f"; on {format_share(self.traffic.prompts.share)} of the sessions, drawn by hash"
            )
        return text


def figures(f: Findings) -> dict[str, Figure]:
    """Counts, tokens and money of each kind of break."""
    found: dict[str, Figure] = {}
    for kind in f.kinds:
        words = WORDS[kind.kind]
        found[f"{kind.kind}_count"] = _figure(
            f, kind, 0, f"Prompts broken: {words}", kind.count, "requests"
        )
        if kind.bound and not f.chained:
            continue
        most = "at most " if kind.bound else ""
        found[f"{kind.kind}_tokens"] = _figure(
            f, kind, 1, f"Tokens read anew, {most}lost to: {words}", kind.tokens, "tokens"
        )
        label = f"Money {most}lost to: {words}"
        if kind.usd is None:
            found[f"{kind.kind}_usd"] = f.sourced.missing(label, "USD", _unpriced(f), *COLUMNS)
        else:
            found[f"{kind.kind}_usd"] = _figure(f, kind, 2, label, kind.usd, "USD")
    if f.chained:
        label = "Lost hits of blocks that come again after a change"
        found["again"] = f.sourced.missing(label, "tokens", [UNCHAINED], *COLUMNS)
    return found


def _figure(f: Findings, kind: KindLoss, i: int, label: str, value: float, unit: str) -> Figure:
    interval: BootstrapInterval | None = kind.intervals[i] if kind.intervals else None
    method = f.method
    if kind.bound and i:
        method += (
            "; an upper bound: all that follows the difference in the shorter of the two counts,"
            " as the hashes do not show what of it is new"
        )
    if interval is not None:
        method += f"; interval from {interval.resamples:,} draws of {f.losses.block_kind}"
    return Figure(
        label=label,
        value=value,
        unit=unit,
        interval=None if interval is None else (interval.low, interval.high),
        n=f.compared,
        method=method,
        source=f.sourced.source(COLUMNS),
    )


def _unpriced(f: Findings) -> list[str]:
    codes = np.unique(f.traffic.models[np.isnan(f.traffic.premium)]).tolist()
    names = [model_name(f.traffic.model_names[c]) for c in codes if c >= 0]
    return [f"prices of input and of cache reads of {name}" for name in names] or ["model"]


def chapter(f: Findings, found: dict[str, Figure], tables: Sequence[dict[str, Any]]) -> Section:
    """The chapter `prefix-breakers` of the report."""
    chart = _chart(f, found)
    return Section(
        id="prefix-breakers",
        title="What breaks prompts' prefixes",
        says=_says(f),
        figures=tuple(found.values()),
        tables=tuple(tables),
        charts=(chart,) if chart else (),
    )


def _says(f: Findings) -> str:
    losing = [k for k in f.kinds if k.kind in LOSING]
    if losing:
        worst = max(losing, key=lambda k: (k.usd or 0.0, k.tokens))
        share = worst.count / max(f.compared, 1)
        said = (
            f"{format_share(share)} of the prompts that follow another are like it but for what was"
            f" {_past(worst)}, mostly at block {worst.position:,.0f}: the same blocks come again"
            f" behind it and cannot be read from the cache, {format_value(worst.tokens, 'tokens')}"
        )
        if worst.usd is not None:
            said += f" or {format_value(worst.usd, 'USD')} at list prices"
        return f"{said}. What changes belongs at the end of the prompt."
    open_kinds = [k for k in f.kinds if k.bound]
    if f.chained and open_kinds:
        count = sum(k.count for k in open_kinds)
        said = (
            f"{format_share(count / max(f.compared, 1))} of the prompts that follow"
            " another differ from it"
            " before its end"
        )
        usd = [k.usd for k in open_kinds]
        if None not in usd:
            total = format_value(sum(u for u in usd if u is not None), "USD")
            said += f"; that costs at most {total} in lost cache reads"
        return (
            f"{said}. The hashes cover all that stands before a block, so they do not show whether"
            " the rest was the same: which small change broke the prefix cannot be said."
        )
    if not open_kinds:
        return "No prompt breaks the prefix of the one before it: each goes on where it ended."
    return "Where prompts differ from the one before, nothing comes again: no cache hit was lost."


def _past(kind: KindLoss) -> str:
    return {
        "changed": f"changed in place ({kind.changed:,.0f} block{'s' * (kind.changed != 1)})",
        "reordered": f"put in another order ({kind.changed:,.0f} blocks)",
        "inserted": "put in",
        "removed": "left out",
        "mixed": "moved",
    }[kind.kind]


def _chart(f: Findings, found: dict[str, Figure]) -> Chart | None:
    """Bars by kind: money where all is priced, else tokens."""
    shown = [k for k in f.kinds if f.chained or not k.bound]
    if not shown:
        return None
    priced = all(k.usd is not None for k in shown)
    name, label = ("usd", "Lost at list prices (USD)") if priced else ("tokens", "Lost (tokens)")
    picked = [found[f"{k.kind}_{name}"] for k in shown]
    names = [WORDS[k.kind] + (" (at most)" if k.bound else "") for k in shown]
    return Chart(
        id="prefix-breakers",
        title="Cache reads lost, by what broke the prefix",
        kind="bar",
        x_label="what broke the prefix",
        y_label=label,
        series=(
            {
                "name": "lost",
                "x": names,
                "y": [p.value for p in picked],
                "lower": [p.interval[0] if p.interval else None for p in picked],
                "upper": [p.interval[1] if p.interval else None for p in picked],
            },
        ),
        caption=f"Prompts are taken to live {_LIFETIME[f.ttl]} in the cache. Whiskers: 90 % of the"
        f" draws of {f.losses.block_kind}.",
    )


def kinds_table(f: Findings) -> dict[str, Any]:
    """Each kind of break: how often, where, what it loses."""
    rows: list[list[Any]] = []
    size = _block_tokens(f)
    for k in f.kinds:
        lost = not k.bound or f.chained
        rows.append(
            [
                WORDS[k.kind] + (" (at most)" if k.bound and lost else ""),
                k.count,
                k.alive,
                k.position,
                None if size is None else k.position * size,
                k.tokens if lost else 0,
                (k.usd if lost else 0.0),
            ]
        )
    columns = [
        ("what broke the prefix", ""), ("requests", ""), ("of them, cached then", ""),
        ("first difference, median", "blocks"), ("the same in tokens", "tokens"),
        ("lost", "tokens"), ("lost in money", "USD"),
    ]  # fmt: skip
    return f.sourced.table(
        "prefix-breakers-kinds",
        "What broke prompts' prefixes",
        columns,
        rows,
        n=f.compared,
        method=f.method,
        reads=COLUMNS,
    )


def _block_tokens(f: Findings) -> float | None:
    sizes = np.unique(f.traffic.block_tokens[~np.isnan(f.traffic.block_tokens)])
    return float(sizes[0]) if len(sizes) == 1 else None


def groups_table(
    f: Findings, column: str, codes: Codes, names: Sequence[str], rows: int
) -> dict[str, Any] | None:
    """The models or features that lose most; None where none is known."""
    if not (codes >= 0).any():
        return None
    found = f.losses
    usd = np.nan_to_num(found.usd + (found.at_most_usd if f.chained else 0.0))
    tokens = np.nan_to_num(found.tokens + (found.at_most if f.chained else 0.0))
    broken = tokens > 0
    count = len(names) + 1
    places = codes + 1
    sums = [np.bincount(places, c, minlength=count) for c in (broken, tokens, usd)]
    order = np.lexsort((-sums[0], -sums[1], -sums[2]))
    kept = [i for i in order.tolist() if sums[0][i] > 0][:rows]
    return f.sourced.table(
        f"prefix-breakers-{column}s",
        f"Lost {'at most ' if f.chained else ''}by {column}",
        [(column, ""), ("broken", "requests"), ("lost", "tokens"), ("lost in money", "USD")],
        [
            [names[i - 1] if i else None, int(sums[0][i]), float(sums[1][i]), float(sums[2][i])]
            for i in kept
        ],
        n=f.compared,
        method=f.method,
        reads=COLUMNS,
    )
