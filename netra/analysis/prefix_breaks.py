"""Where a prompt stops being like the one before it, in what way, and what would have been reused.

A cache of prefixes reuses what a prompt has in common with an earlier one up to the first block
that differs. Each prompt is compared with that of the last few prompts of its stream (a session on
a model) with which it shares the longest prefix; a session's first prompt with the last few of its
wider stream (a feature on a model). What follows the first different block is told apart by which
blocks come again:

- GROWN: nothing differs (the last block of a prompt may be a part of one, and is not looked at);
- CHANGED: some blocks are others, and then the same ones follow at the same places: a timestamp,
  an id;
- REORDERED: the same blocks stand in another order: a list of tools;
- INSERTED, REMOVED: the old blocks follow after new ones, or after old ones were left out;
- MIXED: blocks come again, but in none of these ways;
- REWRITTEN: a part is shared and next to nothing of the rest comes again; SHORTENED, where the
  new prompt is less than half as long: a conversation that was compacted or begun anew;
- UNRELATED: nothing is shared and nothing comes again; FIRST: there was nothing to compare with.

Blocks that come again can be seen only where a block's hash does not depend on what stands before
it (`chained`): of chained hashes nothing ever comes again after a difference.

Cost: O(blocks), 8 bytes for each distinct block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from netra.analysis.compiled import Int32s, Int64s, kernel

KINDS: Final = (
    *("first", "grown", "changed", "reordered", "inserted", "removed", "mixed"),
    *("rewritten", "shortened", "unrelated"),
)
FIRST, GROWN, CHANGED, REORDERED, INSERTED, REMOVED, MIXED, REWRITTEN, SHORTENED, UNRELATED = range(
    len(KINDS)
)
#: Prompts of a stream that a new one is compared with.
_COMPARED = 4
#: Within a session, so large a part of the shorter rest must come again to count as such.
_LEAST_SHARE = 0.25

Int8s = npt.NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class PrefixBreaks:
    """How each prompt relates to the one it was compared with; all of shape (n,)."""

    #: Index of `KINDS`.
    kind: Int8s
    #: The prompt compared with, -1 for none.
    before: Int64s
    #: Blocks that both begin with: where the difference is.
    position: Int32s
    #: Blocks of each after that.
    rest_before: Int32s
    rest: Int32s
    #: Of `rest`, how many are also among `rest_before`.
    again: Int32s
    #: Blocks between the difference and where the same blocks follow again; 0 if they do not.
    changed: Int32s


def prefix_breaks(
    blocks: Int32s, offsets: Int64s, distinct: int, streams: Int32s, wider: Int32s
) -> PrefixBreaks:
    """Compares each prompt with an earlier one.

    Args:
        blocks: all prompts' blocks in order, each from 0 to `distinct - 1`; shape (b,).
        offsets: prompt i has `blocks[offsets[i]:offsets[i + 1]]`; shape (n + 1,).
        streams: which prompts follow each other, 0 or more; shape (n,).
        wider: what a stream's first prompt is compared with, -1 for nothing; shape (n,).
    """
    n = len(streams)
    found = np.zeros((6, n), np.int32)
    before = np.full(n, -1, np.int64)
    rings = [
        np.full((int(codes.max()) + 1 if n else 0, _COMPARED), -1, np.int64)
        for codes in (streams, np.maximum(wider, 0))
    ]
    _compare(
        blocks, offsets, streams, wider, rings[0], rings[1], np.zeros(distinct, np.int32), before,
        found,
    )  # fmt: skip
    return PrefixBreaks(
        kind=found[0].astype(np.int8),
        before=before,
        position=found[1],
        rest_before=found[2],
        rest=found[3],
        again=found[4],
        changed=found[5],
    )


def is_chained(blocks: Int32s, offsets: Int64s, distinct: int) -> bool:
    """Whether every block always has the same one before it: then its hash covers its prefix.

    Where no two prompts ever differ after a common beginning, it cannot be told, and is True.
    """
    return _conflicts(blocks, offsets, np.full(distinct, -2, np.int32)) == 0


@kernel
def _conflicts(blocks: Int32s, offsets: Int64s, before: Int32s) -> int:
    for i in range(len(offsets) - 1):
        previous = np.int32(-1)
        for j in range(offsets[i], offsets[i + 1]):
            block = blocks[j]
            if before[block] == -2:
                before[block] = previous
            elif before[block] != previous:
                return 1
            previous = block
    return 0


@kernel
def _compare(
    blocks: Int32s,
    offsets: Int64s,
    streams: Int32s,
    wider: Int32s,
    ring: npt.NDArray[np.int64],
    wider_ring: npt.NDArray[np.int64],
    count: Int32s,
    before: Int64s,
    found: npt.NDArray[np.int32],
) -> None:
    for i in range(len(streams)):
        new = blocks[offsets[i] : offsets[i + 1]]
        own = ring[streams[i]]
        is_first = own[0] < 0
        if is_first and wider[i] >= 0:
            best, shared = _closest(blocks, offsets, new, wider_ring[wider[i]])
        else:
            best, shared = _closest(blocks, offsets, new, own)
        if best >= 0:
            old = blocks[offsets[best] : offsets[best + 1]]
            before[i] = best
            _describe(old, new, shared, is_first, count, found[:, i])
            if found[0, i] == FIRST:
                before[i] = -1
        _push(own, i)
        if wider[i] >= 0:
            _push(wider_ring[wider[i]], i)


@kernel
def _push(ring: Int64s, i: int) -> None:
    for k in range(len(ring) - 1, 0, -1):
        ring[k] = ring[k - 1]
    ring[0] = i


@kernel
def _closest(blocks: Int32s, offsets: Int64s, new: Int32s, ring: Int64s) -> tuple[int, int]:
    """The prompt with the longest common prefix, the latest of equals; and how long that is."""
    best = np.int64(-1)
    longest = -1
    for k in range(len(ring)):
        if ring[k] < 0:
            break
        old = blocks[offsets[ring[k]] : offsets[ring[k] + 1]]
        shared = 0
        while shared < min(len(old), len(new)) and old[shared] == new[shared]:
            shared += 1
        if shared > longest:
            longest = shared
            best = ring[k]
    return int(best), longest


@kernel
def _describe(
    old: Int32s, new: Int32s, shared: int, is_first: bool, count: Int32s, out: Int32s
) -> None:
    """`out`: kind, position, rest of old, rest of new, again, changed."""
    rest_old = old[shared:]
    rest_new = new[shared:]
    again = _again(rest_old, rest_new, count)
    shorter = min(len(rest_old), len(rest_new))
    comes_again = again > 0 and (is_first or again >= _LEAST_SHARE * shorter)
    changed = 0
    if is_first and not comes_again:
        kind = FIRST
    elif len(rest_old) <= 1 or len(rest_new) == 0:
        kind = GROWN
    elif comes_again:
        kind, changed = _way(rest_old, rest_new, count)
    elif 2 * len(new) < len(old):
        kind = SHORTENED
    elif shared > 0:
        kind = REWRITTEN
    else:
        kind = UNRELATED
    out[0] = kind
    out[1] = shared
    out[2] = len(rest_old)
    out[3] = len(rest_new)
    out[4] = again if comes_again else 0
    out[5] = changed


@kernel
def _again(old: Int32s, new: Int32s, count: Int32s) -> int:
    """How many blocks of `new` are in `old`, each as often as it is there."""
    again = 0
    for block in old:
        count[block] += 1
    for block in new:
        if count[block] > 0:
            count[block] -= 1
            again += 1
    for block in old:
        count[block] = 0
    return again


@kernel
def _way(old: Int32s, new: Int32s, count: Int32s) -> tuple[int, int]:
    """In which way blocks come again, and after how many."""
    window = _permuted(old, new, count)
    if window > 0:
        return REORDERED, window
    limit = min(len(old), len(new))
    for c in range(1, max(len(old), len(new))):
        if c < limit and old[c] == new[c]:
            return CHANGED, c
        if c < len(new) and new[c] == old[0]:
            return INSERTED, c
        if c < len(old) and old[c] == new[0]:
            return REMOVED, c
    return MIXED, 0


@kernel
def _permuted(old: Int32s, new: Int32s, count: Int32s) -> int:
    """The shortest beginning with the same blocks in another order; 0 if there is none."""
    unequal = 0
    window = 0
    used = 0
    for c in range(min(len(old), len(new))):
        used = c + 1
        if count[old[c]] == 0:
            unequal += 1
        elif count[old[c]] == -1:
            unequal -= 1
        count[old[c]] += 1
        if count[new[c]] == 0:
            unequal += 1
        elif count[new[c]] == 1:
            unequal -= 1
        count[new[c]] -= 1
        if unequal == 0:
            window = c + 1
            break
    for c in range(used):
        count[old[c]] = 0
        count[new[c]] = 0
    return window
