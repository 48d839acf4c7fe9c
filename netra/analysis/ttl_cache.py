"""Prompt caches whose blocks live for a time after each use, for several lifetimes at once.

A request's prompt is a list of blocks. All of them are used at the request's start. A block is
alive for a group (a session on a model, say) while the time since its last use there is at most
the lifetime; a request hits the longest prefix of its blocks that are all alive. Since one replay
keeps the last uses, it answers for every lifetime: a prefix is alive as long as its oldest block.

Cost: O(blocks), 60 bytes for each distinct (group, block).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from netra.analysis.block_ids import BlockIds
from netra.analysis.compiled import Floats, Int32s, Int64s, UInt64s, kernel

#: The lifetime of blocks that never expire, microseconds.
NEVER = 1 << 62
#: The last use of a block that was never used, and its age.
_UNUSED = np.iinfo(np.int64).min
_OLDEST = NEVER + 1
#: Blocks that are replayed at a time.
_CHUNK = 1 << 18


class TtlCache:
    """Takes requests in order; remembers each block's last use."""

    def __init__(self, lifetimes_us: Sequence[int]) -> None:
        """
        Args:
            lifetimes_us: microseconds, ascending; at least one.

        Raises:
            ValueError: they are not ascending, or negative.
        """
        lifetimes = np.asarray(lifetimes_us, np.int64)
        if not len(lifetimes) or lifetimes[0] < 0 or bool((np.diff(lifetimes) <= 0).any()):
            raise ValueError(f"lifetimes are not ascending: {list(lifetimes_us)}")
        self._lifetimes = lifetimes
        self._blocks = BlockIds()
        self._pairs = BlockIds()
        self._last_use = np.full(self._pairs.room, _UNUSED, np.int64)

    def extend(
        self, times_us: Int64s, groups: Int32s, blocks: UInt64s, offsets: npt.NDArray[np.integer]
    ) -> Int32s:
        """Replays requests.

        Args:
            times_us: when each request starts, in the order of the replay; shape (n,).
            groups: who shares a cache, 0 or more; shape (n,).
            blocks: the hashes of all prompts' blocks; shape (m,).
            offsets: request i has `blocks[offsets[i]:offsets[i + 1]]`; shape (n + 1,).

        Returns:
            How many leading blocks of each request are alive, by lifetime;
            shape (lifetimes, n).
        """
        alive = np.zeros((len(self._lifetimes), len(times_us)), np.int32)
        first = 0
        while first < len(times_us):
            stop = int(np.searchsorted(offsets, int(offsets[first]) + _CHUNK, side="right")) - 1
            stop = max(stop, first + 1)
            at = np.asarray(offsets[first : stop + 1], np.int64)
            pairs = self._pair_ids(groups[first:stop], blocks[at[0] : at[-1]], np.diff(at))
            _replay(
                times_us[first:stop], pairs, at - at[0], self._lifetimes, self._last_use,
                alive[:, first:stop],
            )  # fmt: skip
            first = stop
        return alive

    def _pair_ids(self, groups: Int32s, blocks: UInt64s, lengths: Int64s) -> Int32s:
        """An id for each (group, block); exact, since both are ids themselves."""
        high = np.repeat(groups.astype(np.uint64) << np.uint64(32), lengths)
        low = self._blocks.encode(np.ascontiguousarray(blocks, np.uint64))
        pairs = self._pairs.encode(high | low.astype(np.uint64))
        if len(self._last_use) < self._pairs.room:
            longer = np.full(self._pairs.room, _UNUSED, np.int64)
            longer[: len(self._last_use)] = self._last_use
            self._last_use = longer
        return pairs


def hit_tokens(alive: Int32s, block_tokens: Floats, input_tokens: Floats) -> Floats:
    """Input tokens that are read from the cache: whole blocks, at most all of the input.

    Args:
        alive: leading blocks that are alive; shape (..., n).
        block_tokens, input_tokens: shape (n,).
    """
    return np.minimum(alive * block_tokens, input_tokens)


@kernel
def _replay(
    times: Int64s,
    pairs: Int32s,
    offsets: Int64s,
    lifetimes: Int64s,
    last_use: Int64s,
    alive: Int32s,
) -> None:
    kinds = len(lifetimes)
    for i in range(len(times)):
        now = times[i]
        start = offsets[i]
        stop = offsets[i + 1]
        # Lifetimes before `kind` are shorter than the age of a block that was passed.
        kind = 0
        for j in range(start, stop):
            last = last_use[pairs[j]]
            age = _OLDEST if last == _UNUSED else now - last
            while kind < kinds and age > lifetimes[kind]:
                alive[kind, i] = j - start
                kind += 1
            if kind == kinds:
                break
        for k in range(kind, kinds):
            alive[k, i] = stop - start
        for j in range(start, stop):
            last_use[pairs[j]] = now
