"""What breaks of prompts' prefixes lose: how often, where, in tokens and in money."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netra.agents.columns import Codes, Floats, Mask
from netra.agents.prefix_breaking.reading import Traffic
from netra.analysis.bootstrap import MIN_BLOCKS, BootstrapInterval, block_bootstraps
from netra.analysis.prefix_breaks import (
    FIRST,
    GROWN,
    KINDS,
    REWRITTEN,
    SHORTENED,
    UNRELATED,
    PrefixBreaks,
)

LIFETIMES_US = {"5m": 300_000_000, "1h": 3_600_000_000}
#: Ways in which the same blocks come again: their tokens are what the break lost.
LOSING = ("changed", "reordered", "inserted", "removed", "mixed")
#: Ways in which next to nothing comes again, or that hashes which cover their prefix look like.
_OPEN = (REWRITTEN, SHORTENED, UNRELATED)
#: More blocks of sessions make an interval no better.
_MOST_BLOCKS = 1000
_HOUR_US = 3_600_000_000


@dataclass(frozen=True, kw_only=True)
class Losses:
    """One row for each request that was compared with an earlier one."""

    breaks: PrefixBreaks
    #: Whether the earlier prompt was still in the cache.
    alive: Mask
    #: Tokens that would have been read from the cache, had nothing come before them anew; of
    #: rewritten and unrelated prompts at most so many, for those see `at_most`.
    tokens: Floats
    at_most: Floats
    #: The same in USD; NaN where there is no price.
    usd: Floats
    at_most_usd: Floats
    #: What an interval draws from: each request's session, or hour.
    blocks: Codes
    count: int
    block_kind: str


def losses(traffic: Traffic, breaks: PrefixBreaks, ttl: str) -> Losses:
    """Prices each break.

    Args:
        ttl: how long prompts live in the cache, `5m` or `1h`.
    """
    compared = breaks.before >= 0
    gap = traffic.times_us - traffic.times_us[np.maximum(breaks.before, 0)]
    alive = compared & (gap <= LIFETIMES_US[ttl])
    size = np.where(np.isnan(traffic.block_tokens), np.nan, traffic.block_tokens)
    again = np.where(alive, breaks.again * size, 0.0)
    room = np.where(np.isnan(traffic.input_tokens), np.inf, traffic.input_tokens)
    tokens = np.minimum(again, room)
    is_open = alive & np.isin(breaks.kind, _OPEN)
    rest = np.minimum(breaks.rest, breaks.rest_before) * size
    at_most = np.where(is_open, np.minimum(rest, room), 0.0)
    blocks, count, kind = _blocks(traffic)
    return Losses(
        breaks=breaks,
        alive=alive,
        tokens=tokens,
        at_most=at_most,
        usd=tokens * traffic.premium / 1e6,
        at_most_usd=at_most * traffic.premium / 1e6,
        blocks=blocks,
        count=count,
        block_kind=kind,
    )


def _blocks(traffic: Traffic) -> tuple[Codes, int, str]:
    known = traffic.sessions >= 0
    kind = "sessions"
    keys = traffic.sessions.astype(np.int64)
    if known.mean() < 0.9:
        kind, keys = "hours", traffic.times_us // _HOUR_US
    distinct, codes = np.unique(keys, return_inverse=True)
    if len(distinct) > _MOST_BLOCKS:
        kind = f"groups of the {len(distinct):,} {kind}"
    return (codes % _MOST_BLOCKS).astype(np.int32), min(len(distinct), _MOST_BLOCKS), kind


@dataclass(frozen=True, kw_only=True)
class KindLoss:
    """All breaks of one kind."""

    kind: str
    count: int
    #: Of those, how many had the earlier prompt still in the cache.
    alive: int
    #: Median first different block, and how many blocks changed.
    position: float
    changed: float
    tokens: float
    #: None where a price is missing.
    usd: float | None
    #: Of the count, the tokens and the USD; None where there are too few blocks to draw.
    intervals: tuple[BootstrapInterval | None, ...] | None
    #: True: the tokens and USD are no more than this, and may be nothing.
    bound: bool


def by_kind(found: Losses, seed: int) -> list[KindLoss]:
    """Each kind that occurred, in the order of `KINDS`."""
    return [
        _one(found, kind, seed)
        for kind in range(len(KINDS))
        if kind not in (FIRST, GROWN) and (found.breaks.kind == kind).any()
    ]


def _one(found: Losses, kind: int, seed: int) -> KindLoss:
    rows = found.breaks.kind == kind
    bound = kind in _OPEN
    tokens = (found.at_most if bound else found.tokens)[rows]
    usd = (found.at_most_usd if bound else found.usd)[rows]
    codes = found.blocks[rows]
    priced = not np.isnan(usd).any()
    columns = [np.ones(len(tokens)), np.nan_to_num(tokens), np.nan_to_num(usd)]
    intervals = None
    if found.count >= MIN_BLOCKS:
        sums = np.stack([np.bincount(codes, c, minlength=found.count) for c in columns])
        drawn = block_bootstraps(sums, [lambda t, i=i: t[i, :] for i in range(3)], xp=np, seed=seed)
        intervals = tuple(drawn)
    return KindLoss(
        kind=KINDS[kind],
        count=int(rows.sum()),
        alive=int(found.alive[rows].sum()),
        position=float(np.median(found.breaks.position[rows])),
        changed=float(np.median(found.breaks.changed[rows])),
        tokens=float(np.nansum(tokens)),
        usd=float(usd.sum()) if priced else None,
        intervals=intervals,
        bound=bound,
    )
