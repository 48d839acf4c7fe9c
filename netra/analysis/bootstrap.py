"""Block bootstrap: how sure a statistic of totals is, when requests are not independent.

Requests of one hour, or of one session, resemble each other, so that drawing single requests
would make any interval too narrow. Whole blocks are drawn instead, with replacement, and the
statistic is computed from the totals of each draw (Carlstein 1986; Künsch 1989 for why blocks;
Efron & Tibshirani 1993, ch. 13, for the percentile interval).

The draws come from a hash of (seed, resample, position), not from a generator's state: they are
the same on NumPy, CuPy and torch, and whatever the size of the chunks. The hash is two rounds of
`lowbias32` (Wellons, "Hash function prospector", 2018).

Cost: O(resamples x blocks) time; memory is bounded by `chunk_elements`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from netra.errors import InsufficientData

#: A statistic of totals: takes an array of shape (k, resamples), gives one of (resamples,).
Statistic = Callable[[Any], Any]

#: With fewer blocks the percentile interval is too narrow to be worth printing.
MIN_BLOCKS = 10

_MASK = 0xFFFFFFFF


@dataclass(frozen=True, kw_only=True)
class BootstrapInterval:
    """A statistic of the observed totals, and where it lies in `level` of the resamples."""

    estimate: float
    low: float
    high: float
    level: float
    #: How many blocks were drawn from.
    blocks: int
    resamples: int
    seed: int


def relative_saving(totals: Any) -> Any:
    """`1 - projected / baseline` of totals (baseline, projected): 0.2 is a fifth saved."""
    return 1.0 - totals[1, :] / totals[0, :]


def saving(totals: Any) -> Any:
    """`baseline - projected` of totals (baseline, projected), in their unit."""
    return totals[0, :] - totals[1, :]


def ratio(totals: Any) -> Any:
    """First total per second total, e.g. hits per reference, cost per request."""
    return totals[0, :] / totals[1, :]


def block_bootstrap(
    sums: Any,
    statistic: Statistic,
    *,
    xp: Any,
    seed: int,
    resamples: int = 2000,
    level: float = 0.9,
    chunk_elements: int = 1 << 20,
) -> BootstrapInterval:
    """The statistic of the totals, with its percentile interval.

    Args:
        sums: per-block sums, shape (k, blocks), e.g. k = 2: baseline and projected cost of each
            hour. Anything that `xp.asarray` takes.
        statistic: of totals of shape (k, resamples); applied to the observed totals as
            shape (k, 1).
        xp: an array namespace of the array API standard; the work runs where it puts arrays.
        seed: the same seed gives the same interval on every namespace.
        chunk_elements: at most so many draws are held at once (at least one resample is).

    Raises:
        InsufficientData: fewer than `MIN_BLOCKS` blocks, or the statistic is undefined for the
            observed totals or for some resample (a baseline of zero).
        ValueError: `sums` is not of shape (k, blocks), or `level` is not between 0 and 1.
    """
    values = _checked(sums, level, xp)
    totals = resampled_totals(
        values, xp=xp, seed=seed, resamples=resamples, chunk_elements=chunk_elements
    )
    return _interval(values, totals, statistic, xp=xp, seed=seed, level=level)


def block_bootstraps(
    sums: Any,
    statistics: Sequence[Statistic],
    *,
    xp: Any,
    seed: int,
    resamples: int = 2000,
    level: float = 0.9,
    chunk_elements: int = 1 << 20,
) -> list[BootstrapInterval | None]:
    """Several statistics of the same draws: what `block_bootstrap` gives for each of them.

    None stands for a statistic that is undefined for the observed totals or for some resample.

    Raises:
        InsufficientData: fewer than `MIN_BLOCKS` blocks.
        ValueError: `sums` is not of shape (k, blocks), or `level` is not between 0 and 1.
    """
    values = _checked(sums, level, xp)
    totals = resampled_totals(
        values, xp=xp, seed=seed, resamples=resamples, chunk_elements=chunk_elements
    )
    found: list[BootstrapInterval | None] = []
    for statistic in statistics:
        try:
            found.append(_interval(values, totals, statistic, xp=xp, seed=seed, level=level))
        except InsufficientData:
            found.append(None)
    return found


def _checked(sums: Any, level: float, xp: Any) -> Any:
    """`sums` as float64 of shape (k, blocks), on the namespace."""
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, not between 0 and 1")
    values = xp.asarray(sums, dtype=xp.float64)
    if values.ndim != 2:
        raise ValueError(f"sums have {values.ndim} dimensions, not (k, blocks)")
    blocks = int(values.shape[1])
    if blocks < MIN_BLOCKS:
        need = f"at least {MIN_BLOCKS} blocks (hours or sessions) of traffic, there are {blocks}"
        raise InsufficientData("too few blocks to resample", needs=[need])
    return values


def _interval(
    values: Any, totals: Any, statistic: Statistic, *, xp: Any, seed: int, level: float
) -> BootstrapInterval:
    """The percentile interval of a statistic over resampled totals, shape (k, resamples)."""
    estimate = float(statistic(xp.sum(values, axis=1, keepdims=True))[0])
    drawn = statistic(totals)
    if not (math.isfinite(estimate) and bool(xp.all(xp.isfinite(drawn)))):
        raise InsufficientData(
            "the statistic is undefined for some draws of blocks",
            needs=["blocks with traffic: in some draws there is none"],
        )
    ordered = xp.sort(drawn)
    tail = (1 - level) / 2
    return BootstrapInterval(
        estimate=estimate,
        low=_quantile(ordered, tail),
        high=_quantile(ordered, 1 - tail),
        level=level,
        blocks=int(values.shape[1]),
        resamples=int(totals.shape[1]),
        seed=seed,
    )


def resampled_totals(
    values: Any, *, xp: Any, seed: int, resamples: int, chunk_elements: int
) -> Any:
    """Totals of `resamples` draws of as many blocks as there are.

    Args:
        values: float64, shape (k, blocks).

    Returns:
        float64, shape (k, resamples).
    """
    rows, blocks = int(values.shape[0]), int(values.shape[1])
    step = max(1, chunk_elements // blocks)
    parts: list[Any] = []
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = draw_blocks(blocks, start, count, xp=xp, seed=seed, like=values)
        flat = xp.reshape(drawn, (count * blocks,))
        sums = [
            xp.sum(xp.reshape(xp.take(values[row, :], flat, axis=0), (count, blocks)), axis=1)
            for row in range(rows)
        ]
        parts.append(xp.stack(sums, axis=0))
    return xp.concat(parts, axis=1)


def draw_blocks(blocks: int, start: int, count: int, *, xp: Any, seed: int, like: Any) -> Any:
    """Which block is drawn at each position of resamples `start` to `start + count`.

    Returns:
        int64, shape (count, blocks), each from 0 to `blocks - 1`, on the device of `like`.
    """
    device = getattr(like, "device", None)
    resample = xp.arange(start, start + count, dtype=xp.int64, device=device)
    position = xp.arange(blocks, dtype=xp.int64, device=device)
    first = _mix(_mix(resample ^ _mix_number(seed)))
    second = _mix(first ^ 0x5BD1E995)
    mixed = _mix(_mix((position[None, :] + first[:, None]) & _MASK) ^ second[:, None])
    # multiply and shift maps 32 random bits evenly to 0 … blocks - 1
    return (mixed * blocks) >> 32


def _mix(x: Any) -> Any:
    """lowbias32 on int64 lanes that hold 32 bits: products wrap, and the mask keeps 32 bits."""
    x = (x ^ (x >> 16)) & _MASK
    x = (x * 0x7FEB352D) & _MASK
    x = x ^ (x >> 15)
    # as a negative constant, so that no product of 32 by 32 bits overflows 63 unnoticed
    x = (x * (0x846CA68B - (1 << 32))) & _MASK
    return x ^ (x >> 16)


def _mix_number(seed: int) -> int:
    low, high = seed & _MASK, (seed >> 32) & _MASK
    return int(_mix(int(_mix(low)) ^ high))


def _quantile(ordered: Any, q: float) -> float:
    """Linear between order statistics (Hyndman & Fan 1996, type 7)."""
    last = int(ordered.shape[0]) - 1
    at = q * last
    below = math.floor(at)
    above = min(below + 1, last)
    low, high = float(ordered[below]), float(ordered[above])
    return low + (high - low) * (at - below)
