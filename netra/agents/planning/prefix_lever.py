"""The lever `prefix_caching`: how large a prefix cache of one's own should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from netra.agents.base import Context, Inputs
from netra.agents.columns import Floats, Mask, times
from netra.agents.planning.parts import Blocks
from netra.agents.selection import selected
from netra.analysis.knee import knee
from netra.analysis.lru_curve import LruCurve, LruStack
from netra.errors import InsufficientData, StageCancelled

LEVER = "prefix_caching"
#: What the saving is measured against: no trace says what a serving engine of one's own cached.
ASSUMED = {
    "name": "none",
    "text": "there is no prefix cache today",
    "why": "the trace does not say what the serving engine caches",
}
#: The knee is looked for among so many capacities, evenly spaced.
_CAPACITIES = 2000
#: Points of the curve that is shown.
_SHOWN = 120


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """A chosen capacity, and the curve that it was chosen on."""

    blocks: int
    curve: LruCurve
    #: The curve thinned for a chart: capacities and hit ratios.
    shown: tuple[list[int], list[float]]


def choose_capacity(
    inputs: Inputs,
    context: Context,
    *,
    before_us: int,
    where: Mapping[str, Any],
    given: int | None,
) -> Capacity:
    """The knee of the LRU curve of the references before the cut, or the capacity given.

    Args:
        before_us: only events before this moment are looked at, microseconds since 1970.

    Raises:
        InsufficientData: there is no repeated block before the cut.
    """
    stack = LruStack()
    for batch, hashes in _references(inputs, context, where):
        early = times(batch) < before_us
        stack.extend(_flat(hashes.filter(pa.array(early))))
        if not early.all():
            break
    curve = stack.curve()
    if not curve.references or not curve.hits[-1]:
        need = "prefix_hashes of which some are repeated in the fit part"
        raise InsufficientData("a cache would never hit", [need])
    sizes = _spread(curve.distinct, _CAPACITIES)
    at = given or int(sizes[_knee(sizes, curve.at(sizes))])
    shown = np.unique(np.rint(np.geomspace(1, curve.distinct, _SHOWN)).astype(np.int64))
    return Capacity(blocks=at, curve=curve, shown=(shown.tolist(), curve.at(shown).tolist()))


def replay_capacity(
    inputs: Inputs,
    context: Context,
    *,
    capacity: int,
    from_us: int,
    where: Mapping[str, Any],
    blocks: Blocks,
    verify: Mask,
) -> Floats:
    """References and hits of each block of time in the verify part, the cache warmed before it.

    Args:
        from_us: the first moment of the verify part; all references before warm the cache.
        blocks: of the verify part's events, in order; stretches of time.
        verify: which events are in the verify part; shape (n,).

    Returns:
        Shape (2, blocks.count): references, and those that hit.
    """
    stack = LruStack()
    sums = np.zeros((2, blocks.count))
    seen = 0
    place = np.cumsum(verify) - 1
    counted = np.zeros(2)
    for batch, hashes in _references(inputs, context, where):
        rows = np.arange(seen, seen + batch.num_rows)
        seen += batch.num_rows
        late = times(batch) >= from_us
        stack.extend(_flat(hashes.filter(pa.array(~late))))
        if not late.any():
            continue
        if not counted.any():
            counted = _counts(stack, capacity)
        codes = blocks.codes[place[rows[late]]]
        kept = hashes.filter(pa.array(late))
        for start, stop in _runs(codes):
            stack.extend(_flat(kept.slice(start, stop - start)))
            now = _counts(stack, capacity)
            sums[:, codes[start]] += now - counted
            counted = now
    return sums


def _references(
    inputs: Inputs, context: Context, where: Mapping[str, Any]
) -> Iterator[tuple[pa.RecordBatch, pa.ListArray]]:
    """Each batch with its lists of blocks, empty where the event is not selected."""
    for batch in inputs.events():
        if context.cancelled():
            raise StageCancelled
        hashes = batch.column("prefix_hashes")
        if where:
            none = pa.scalar([], hashes.type)
            hashes = pc.if_else(pa.array(selected(batch, where)), hashes, none)
        yield batch, hashes


def _flat(hashes: pa.ListArray) -> npt.NDArray[np.uint64]:
    return np.asarray(hashes.flatten(), np.uint64)


def _counts(stack: LruStack, capacity: int) -> Floats:
    curve = stack.curve()
    hits = curve.hits[min(capacity, curve.distinct)]
    return np.array([curve.references, hits], dtype=np.float64)


def _runs(codes: npt.NDArray[np.int32]) -> Iterator[tuple[int, int]]:
    """Where equal neighbours begin and end."""
    edges = np.flatnonzero(np.diff(codes)) + 1
    bounds = [0, *edges.tolist(), len(codes)]
    yield from pairwise(bounds)


def _spread(distinct: int, most: int) -> npt.NDArray[np.int64]:
    return np.unique(np.rint(np.linspace(1, distinct, min(most, distinct))).astype(np.int64))


def _knee(sizes: npt.NDArray[np.int64], ratios: Floats) -> int:
    """The knee's place; the whole of the cache where the curve has none."""
    found = knee(sizes.astype(np.float64), ratios)
    return len(sizes) - 1 if found is None else found
