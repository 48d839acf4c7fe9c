"""The exact hit ratio of a prefix cache at every capacity, from the hashes of prompts' blocks."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netra.agents.base import Context, Inputs, StageResult
from netra.agents.columns import is_known
from netra.agents.profiling.sourced import Sourced
from netra.analysis.lru_curve import LruCurve, LruStack
from netra.catalog.params import CachingParams
from netra.errors import InsufficientData, StageCancelled
from netra.schemas.figure import Figure
from netra.schemas.report import Chart

METHOD = (
    "LRU stack distances (Mattson 1970) of each block reference in the order of requests, the"
    " blocks of a request in theirs; first references count as misses; one cache for all requests"
)
_COLUMNS = ("ts", "prefix_hashes")


def run(inputs: Inputs, params: CachingParams, context: Context) -> StageResult:
    """Replays every block reference once.

    Raises:
        InsufficientData: no event says which blocks its prompt has.
        StageCancelled: the stage was asked to stop.
    """
    stack = LruStack()
    events = with_blocks = 0
    block_tokens: Counter[int | None] = Counter()
    for batch in inputs.events():
        if context.cancelled():
            raise StageCancelled
        stack.extend(np.asarray(batch.column("prefix_hashes").flatten(), np.uint64))
        hashed = batch.filter(pa.array(is_known(batch, "prefix_hashes")))
        block_tokens.update(_counts(hashed.column("block_tokens")))
        events += batch.num_rows
        with_blocks += hashed.num_rows
        done = events / inputs.workload.events if inputs.workload.events else 1.0
        context.progress(0.95 * min(done, 1.0), f"{events:,} requests replayed")
    curve = stack.curve()
    if not curve.references:
        raise InsufficientData("no event says which blocks its prompt has", ["prefix_hashes"])
    content = _content(curve, params, Sourced(inputs.workload.id))
    content |= {
        "requests": events,
        "requests_with_blocks": with_blocks,
        # One number where all requests agree, else how many requests have which.
        "block_tokens": next(iter(block_tokens)) if len(block_tokens) == 1 else None,
        "block_tokens_seen": [
            {"block_tokens": tokens, "requests": n} for tokens, n in block_tokens.most_common(20)
        ],
    }
    return StageResult(content=content)


def _counts(block_tokens: pa.Array) -> dict[int | None, int]:
    counted = pc.value_counts(block_tokens).to_pylist()
    return {pair["values"]: pair["counts"] for pair in counted}


def _content(curve: LruCurve, params: CachingParams, sourced: Sourced) -> dict[str, Any]:
    given = params.capacities
    capacities = sorted(set((given,) if isinstance(given, int) else given))
    ratios = {str(c): curve.hit_ratio(c) for c in capacities}
    ratios["unlimited"] = curve.hit_ratio(curve.distinct)
    figures = {
        f"lru_{name}": _figure(name, ratio, curve, sourced) for name, ratio in ratios.items()
    }
    places = _spread(curve.distinct, params.points)
    sizes, hit_ratio = places.tolist(), curve.at(places).tolist()
    return {
        "hit_ratio": {"lru": ratios},
        "references": curve.references,
        "distinct": curve.distinct,
        "curve": {"capacity_blocks": sizes, "hit_ratio": {"lru": hit_ratio}},
        "method": METHOD,
        "figures": {name: msgspec.to_builtins(figure) for name, figure in figures.items()},
        "charts": [msgspec.to_builtins(_chart(sizes, hit_ratio, ratios["unlimited"]))],
    }


def _figure(name: str, ratio: float, curve: LruCurve, sourced: Sourced) -> Figure:
    size = "of any size" if name == "unlimited" else f"of {int(name):,} blocks"
    return sourced.exact(
        f"Hit ratio of an LRU cache {size}",
        ratio,
        "share of block references",
        curve.references,
        METHOD,
        *_COLUMNS,
    )


def _spread(distinct: int, points: int) -> np.ndarray:
    """Capacities from 1 to `distinct`, evenly spaced on a logarithmic axis; at most `points`."""
    return np.unique(np.rint(np.geomspace(1, distinct, points)).astype(np.int64))


def _chart(sizes: list[int], hit_ratio: list[float], unlimited: float) -> Chart:
    return Chart(
        id="lru-curve",
        title="Prefix cache: hit ratio by capacity",
        kind="line",
        x_label="capacity, blocks",
        y_label="share of block references that hit",
        x_scale="log",
        series=({"name": "LRU", "x": sizes, "y": hit_ratio},),
        caption=f"No capacity hits more than {unlimited:.1%}: the rest are first references.",
    )
