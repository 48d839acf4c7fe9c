"""What a choice saves on some of the traffic: totals, and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from netra.agents.columns import Floats, Mask
from netra.agents.planning.baselines import Baseline
from netra.agents.planning.parts import Blocks, blocks_of
from netra.agents.planning.traffic import PricedTraffic
from netra.agents.selection import in_words
from netra.analysis.bootstrap import block_bootstraps, relative_saving, saving
from netra.errors import InsufficientData
from netra.schemas.figure import Figure, Source, missing

COLUMNS = (
    *("ts", "session_id", "provider", "model", "input_tokens", "output_tokens"),
    *("prefix_hashes", "block_tokens"),
)


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How intervals are drawn."""

    xp: Any
    seed: int
    resamples: int
    level: float


@dataclass(frozen=True, kw_only=True)
class Part:
    """The traffic that figures are about."""

    #: `fit` or `verify`.
    name: str
    workload_id: str
    #: What the part is called in a figure.
    label: str

    def source(self, where: Mapping[str, Any], columns: Sequence[str] = COLUMNS) -> Source:
        return Source(
            workload_id=self.workload_id,
            query=f"visible events of the workload, {self.name} part",
            columns=tuple(columns),
            filter={**where, "part": self.name},
        )


@dataclass(frozen=True, kw_only=True)
class Saving:
    """What is paid before and after, on the same requests."""

    baseline: Figure
    projected: Figure
    #: In the unit of the two, and as a share of the first.
    amount: Figure
    share: Figure
    #: What the interval draws from; None where there is none.
    blocks: Blocks | None

    def as_json(self) -> dict[str, Any]:
        return {
            "baseline": msgspec.to_builtins(self.baseline),
            "projected": msgspec.to_builtins(self.projected),
            "saving": msgspec.to_builtins(self.amount),
            "saving_share": msgspec.to_builtins(self.share),
            "blocks": {"kind": self.blocks.kind, "n": self.blocks.count} if self.blocks else None,
        }


def cost_saving(
    traffic: PricedTraffic,
    rows: Mask,
    where: Mapping[str, Any],
    baseline: Baseline,
    projected: Floats,
    part: Part,
    draw: Draw | None,
) -> Saving:
    """What all priced requests of a selection cost today and under the plan.

    Requests that the plan leaves alone are in both sums: a share is of all that is paid.

    Args:
        rows: the part's events; shape (n,).
        projected: each event's cost under the plan; shape (n,).
        draw: None: no interval (the fit part, where the choice was made).
    """
    in_scope = rows & traffic.scope(where)
    rows = in_scope & traffic.priced
    source = part.source(where)
    if not rows.any():
        return nothing("USD", source, _lacking(traffic, in_scope, where), part.label)
    blocks = blocks_of(traffic, rows)
    pair = np.stack([baseline.costs[rows], projected[rows]])
    added = [np.bincount(blocks.codes, row, minlength=blocks.count) for row in pair]
    sums = np.asarray(added, dtype=np.float64)
    return paired_saving(
        sums,
        blocks if draw else None,
        unit="USD",
        n=int(rows.sum()),
        labels=(f"Cost at list prices, {part.label}", f"Cost under the plan, {part.label}"),
        method="sum over requests of tokens x list price, replayed with the prompt cache of each",
        source=source,
        draw=draw,
    )


def paired_saving(
    sums: Floats,
    blocks: Blocks | None,
    *,
    unit: str,
    n: int,
    labels: tuple[str, str],
    method: str,
    source: Source,
    draw: Draw | None,
) -> Saving:
    """Figures of two totals and of their difference.

    Args:
        sums: of each block, before and after; shape (2, blocks).
        n: how many observations there are in all.
        labels: of the two totals.
    """
    before, after = sums.sum(axis=1).tolist()
    share = 1 - after / before if before else None
    values = (before, after, before - after, share)
    names = (*labels, "Saved", "Saved, as a share")
    figures = [
        missing("a baseline above zero", unit=of_unit, source=source, label=label)
        if value is None
        else Figure(value=value, unit=of_unit, n=n, method=method, source=source, label=label)
        for label, value, of_unit in zip(names, values, (unit, unit, unit, "share"), strict=True)
    ]
    if draw is not None and blocks is not None:
        figures = _with_intervals(figures, sums, blocks, draw)
    return Saving(
        baseline=figures[0], projected=figures[1], amount=figures[2], share=figures[3],
        blocks=blocks,
    )  # fmt: skip


def _with_intervals(
    figures: Sequence[Figure], sums: Floats, blocks: Blocks, draw: Draw
) -> list[Figure]:
    """The four figures with their intervals; without enough blocks no saving is claimed."""
    statistics = (_first, _second, saving, relative_saving)
    try:
        drawn = block_bootstraps(
            sums, statistics, xp=draw.xp, seed=draw.seed, resamples=draw.resamples,
            level=draw.level,
        )  # fmt: skip
    except InsufficientData as e:
        # What the requests cost is counted; what a change would save elsewhere is estimated.
        lacking = [
            missing(*e.needs, unit=f.unit, source=f.source, label=f.label) for f in figures[2:]
        ]
        return [*figures[:2], *lacking]
    how = f"block bootstrap over {blocks.count} {blocks.kind}, {draw.resamples} resamples, seed"
    found: list[Figure] = []
    for f, interval in zip(figures, drawn, strict=True):
        if interval is not None and f.value is not None:
            found.append(
                msgspec.structs.replace(
                    f,
                    interval=(interval.low, interval.high),
                    level=draw.level,
                    method=f"{f.method}; {how} {draw.seed}",
                )
            )
        elif f.value is None:
            found.append(f)
        else:
            need = f"costs in more of the {blocks.count} {blocks.kind}: some draws have none"
            found.append(missing(need, unit=f.unit, source=f.source, label=f.label))
    return found


def nothing(unit: str, source: Source, need: str, label: str) -> Saving:
    """There is nothing that could be saved on."""
    empty = missing(need, unit=unit, source=source, label=label)
    share = missing(need, unit="share", source=source, label=label)
    return Saving(baseline=empty, projected=empty, amount=empty, share=share, blocks=None)


def _lacking(traffic: PricedTraffic, in_scope: Mask, where: Mapping[str, Any]) -> str:
    """Why nothing of a selection has a cost."""
    if not in_scope.any():
        return f"events with {in_words(where)}" if where else "events"
    named = bool((traffic.models.codes[in_scope] >= 0).any())
    return "a price in the supply catalog for the models" if named else "model"


def _first(totals: Any) -> Any:
    return totals[0, :]


def _second(totals: Any) -> Any:
    return totals[1, :]
