"""Hit ratios of the eviction policies: exact where they can be, else on a sample that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from netra.agents.base import Context
from netra.analysis.eviction.replay import REPLAYS, replay_of
from netra.analysis.lru_curve import LruCurve, lru_curve
from netra.analysis.reference_sample import ReferenceSample, SampledReferences
from netra.errors import StageCancelled

#: What a person calls them.
NAMES = {
    "lru": "LRU",
    "lfu": "LFU",
    "sieve": "SIEVE",
    "s3fifo": "S3-FIFO",
    "belady": "Belady (the bound)",
}
#: Capacities of the drawn curves.
_CURVE_CAPACITIES = 24
#: References that each curve's replays are of; longer traces are sampled.
_CURVE_REFERENCES = 1_000_000
#: They begin at this part of all blocks: what is smaller is no cache that anyone would run.
_WIDEST = 3_000
#: A sample says nothing of caches that hold fewer of its blocks.
_LEAST_SAMPLED = 8


@dataclass(frozen=True, kw_only=True)
class PolicyCurves:
    """Hit ratios of each policy that was asked for."""

    #: By policy, then by capacity as asked, and `unlimited`.
    asked: dict[str, dict[str, float]]
    #: The share of blocks that the figures of `asked` other than LRU rest on.
    asked_rate: float
    #: How far the sample's LRU curve is from the exact one at most, at these capacities; 0 where
    #: nothing is sampled.
    asked_error: float
    #: Capacities of the drawn curves, and their hit ratios by policy.
    sizes: list[int]
    curves: dict[str, list[float]]
    curve_rate: float
    curve_error: float

    def of_sample(self) -> str:
        """On what the figures of `asked` rest where the trace was sampled, and how far off."""
        return (
            f"on {self.asked_rate:.2%} of the blocks, drawn by hash, in a cache scaled alike"
            f" (SHARDS); LRU on that sample is off by at most {100 * self.asked_error:.2f}"
            " percentage points"
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "capacity_blocks": self.sizes,
            "hit_ratio": self.curves,
            "sample": {
                "share_of_blocks": self.curve_rate,
                "largest_error_of_lru": self.curve_error,
            },
        }


def policy_curves(
    curve: LruCurve,
    sample: ReferenceSample | None,
    policies: Sequence[str],
    capacities: Sequence[int],
    knee: int | None,
    context: Context,
) -> PolicyCurves:
    """LRU from its exact curve, every other policy by one replay a capacity.

    Args:
        knee: a capacity that the drawn curves must have.
        sample: the references; None where LRU alone is asked for.

    Raises:
        StageCancelled: the stage was asked to stop.
    """
    others = [p for p in policies if p in REPLAYS]
    exact = {str(c): curve.hit_ratio(c) for c in capacities}
    exact["unlimited"] = curve.hit_ratio(curve.distinct)
    if sample is None or not others:
        asked = {"lru": exact} if "lru" in policies else {}
        return PolicyCurves(
            asked=asked, asked_rate=1.0, asked_error=0.0, sizes=[], curves={}, curve_rate=1.0,
            curve_error=0.0,
        )  # fmt: skip
    whole, small = sample.references(), sample.references(limit=_CURVE_REFERENCES)
    sizes = _sizes(curve.distinct, small, knee)
    asked: dict[str, dict[str, float]] = {}
    curves: dict[str, list[float]] = {}
    steps = _Steps(context, len(others) * (len(capacities) + len(sizes)))
    for policy in policies:
        if policy == "lru":
            asked[policy], curves[policy] = exact, curve.at(sizes).tolist()
            continue
        found = _ratios(policy, whole, capacities, steps)
        asked[policy] = {str(c): r for c, r in zip(capacities, found.tolist(), strict=True)}
        asked[policy]["unlimited"] = exact["unlimited"]
        curves[policy] = _ratios(policy, small, sizes, steps).tolist()
    return PolicyCurves(
        asked=asked,
        asked_rate=whole.rate,
        asked_error=_error(curve, whole, capacities),
        sizes=sizes,
        curves=curves,
        curve_rate=small.rate,
        curve_error=_error(curve, small, sizes),
    )


class _Steps:
    """Progress through the replays; the last tenth of the stage."""

    def __init__(self, context: Context, total: int) -> None:
        self._context, self._total, self._done = context, max(total, 1), 0

    def next(self, policy: str) -> None:
        if self._context.cancelled():
            raise StageCancelled
        self._done += 1
        share = 0.85 + 0.13 * self._done / self._total
        self._context.progress(share, f"{NAMES[policy]}, replay {self._done} of {self._total}")


def _ratios(
    policy: str, references: SampledReferences, capacities: Sequence[int], steps: _Steps
) -> npt.NDArray[np.float64]:
    hits_of = replay_of(policy, references.ids, references.distinct)
    hits: list[int] = []
    for capacity in capacities:
        steps.next(policy)
        hits.append(hits_of(references.capacity(capacity)))
    return references.hit_ratio(hits)


def _sizes(distinct: int, sampled: SampledReferences, knee: int | None) -> list[int]:
    """Capacities evenly spaced on a logarithmic axis, up to all blocks, and the knee."""
    least = max(1, distinct / _WIDEST) if sampled.is_whole else _LEAST_SAMPLED / sampled.rate
    spaced = np.geomspace(min(least, distinct), distinct, _CURVE_CAPACITIES)
    sizes = np.rint(spaced).astype(np.int64).tolist()
    return sorted({*sizes, *([] if knee is None else [knee])})


def _error(curve: LruCurve, sampled: SampledReferences, capacities: Sequence[int]) -> float:
    """How far LRU on the sample is from LRU on the whole, at most."""
    if sampled.is_whole or not len(capacities):
        return 0.0
    of_sample = lru_curve(sampled.ids.astype(np.uint64))
    scaled = [min(sampled.capacity(c), of_sample.distinct) for c in capacities]
    estimate = sampled.hit_ratio(of_sample.hits[scaled])
    return float(np.abs(estimate - curve.at(capacities)).max())
