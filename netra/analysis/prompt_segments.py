"""Runs of blocks that always come together, so that a replay steps over runs instead of blocks.

Prompts of a session repeat each other and go on: most blocks have one successor and one
predecessor wherever they occur. Such neighbours are used at the same times, always, and so are
alive or not together, whatever the policy; a replay of segments gives exactly what a replay of
blocks gives, in a fraction of the steps (a request of a growing conversation has about as many
segments as requests went before it).

Cost: O(blocks), 10 bytes for each distinct block.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from netra.analysis.block_ids import BlockIds
from netra.analysis.compiled import Bools, Int32s, Int64s, kernel

_UNSEEN, _NONE = -2, -1


@dataclass(frozen=True, kw_only=True)
class Segments:
    """The prompts in segments."""

    #: Each occurrence's segment, 0 to `count - 1`; shape (m,).
    ids: Int32s
    #: How many blocks it has, the same wherever it occurs; shape (m,).
    lengths: Int32s
    #: Prompt i has the occurrences `offsets[i]` to `offsets[i + 1]`; shape (n + 1,).
    offsets: Int64s
    count: int


def prompt_segments(blocks: Int32s, offsets: Int64s, distinct: int) -> Segments:
    """Cuts prompts into the longest runs that never occur otherwise.

    Args:
        blocks: all prompts' blocks, each from 0 to `distinct - 1`; shape (b,).
        offsets: prompt i has `blocks[offsets[i]:offsets[i + 1]]`; shape (n + 1,).
    """
    cut_before = np.zeros(distinct, np.bool_)
    cut_after = np.zeros(distinct, np.bool_)
    _find_cuts(
        blocks, offsets, np.full(distinct, _UNSEEN, np.int32),
        np.full(distinct, _UNSEEN, np.int32), cut_before, cut_after,
    )  # fmt: skip
    starts = _starts(blocks, offsets, cut_before, cut_after)
    places = np.flatnonzero(starts)
    lengths = np.diff(np.append(places, len(blocks))).astype(np.int32)
    _, ids = np.unique(blocks[places], return_inverse=True)
    count = int(ids.max()) + 1 if len(ids) else 0
    return Segments(
        ids=ids.astype(np.int32),
        lengths=lengths,
        offsets=np.searchsorted(places, offsets).astype(np.int64),
        count=count,
    )


@kernel
def _find_cuts(
    blocks: Int32s,
    offsets: Int64s,
    before: Int32s,
    after: Int32s,
    cut_before: Bools,
    cut_after: Bools,
) -> None:
    """Marks blocks that come after, or are followed by, more than one other (or an end)."""
    for i in range(len(offsets) - 1):
        start = offsets[i]
        stop = offsets[i + 1]
        for j in range(start, stop):
            block = blocks[j]
            previous = blocks[j - 1] if j > start else np.int32(_NONE)
            following = blocks[j + 1] if j + 1 < stop else np.int32(_NONE)
            if before[block] == _UNSEEN:
                before[block] = previous
            elif before[block] != previous:
                cut_before[block] = True
            if after[block] == _UNSEEN:
                after[block] = following
            elif after[block] != following:
                cut_after[block] = True


@kernel
def _starts(blocks: Int32s, offsets: Int64s, cut_before: Bools, cut_after: Bools) -> Bools:
    starts = np.zeros(len(blocks), np.bool_)
    for i in range(len(offsets) - 1):
        for j in range(offsets[i], offsets[i + 1]):
            first = j == offsets[i]
            starts[j] = first or cut_before[blocks[j]] or cut_after[blocks[j - 1]]
    return starts


def within_caches(segments: Segments, caches: Int32s) -> Segments:
    """The same segments, but of each cache its own, where prompts of several share blocks.

    Args:
        caches: which cache each prompt is for, 0 or more; shape (n,).
    """
    of_prompt = np.repeat(caches.astype(np.uint64), np.diff(segments.offsets))
    pairs = BlockIds()
    ids = pairs.encode(of_prompt << np.uint64(32) | segments.ids.astype(np.uint64))
    return dataclasses.replace(segments, ids=ids, count=len(pairs))
