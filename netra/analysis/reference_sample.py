"""A sample of the blocks of a trace that is too long to be replayed once for each capacity.

Blocks are drawn by a hash of their key, and every reference of a drawn block is kept: a cache of
rate x c blocks on the sample behaves much as one of c blocks on the whole (SHARDS: Waldspurger et
al., FAST 2015; for policies other than LRU, "Cache modeling and optimization using miniature
simulations", USENIX ATC 2017). The rate is halved whenever the sample outgrows its limit, so
memory is bounded. Misses are counted against the references expected at the rate, not those that
came, which takes out most of the error that a few hot blocks make (SHARDS-adj).

Cost: O(n); 8 bytes for each reference kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from netra.analysis.block_ids import BlockIds
from netra.analysis.compiled import Bools, Int32s, UInt64s, kernel

#: The rate is not halved more often.
_MOST_HALVINGS = 40


@dataclass(frozen=True, kw_only=True)
class SampledReferences:
    """References of the drawn blocks, in order."""

    #: From 0 to `distinct - 1`; shape (n,).
    ids: Int32s
    distinct: int
    #: The share of blocks that were to be drawn; 1: all of them, nothing is estimated.
    rate: float
    #: References of the whole trace.
    references: int

    @property
    def is_whole(self) -> bool:
        return self.rate == 1.0

    def capacity(self, blocks: int) -> int:
        """What stands in the sample for a cache of so many blocks; at least 1."""
        return blocks if self.is_whole else max(round(blocks * self.rate), 1)

    def hit_ratio(self, hits: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The share of all references that hit, from the sample's hits; same shape."""
        misses = len(self.ids) - np.asarray(hits, np.float64)
        return np.clip(1 - misses / max(self.rate * self.references, 1), 0.0, 1.0)


class ReferenceSample:
    """Takes references as they come, and keeps those of drawn blocks."""

    def __init__(self, limit: int) -> None:
        """
        Args:
            limit: at most so many references are kept.
        """
        self._limit = limit
        self._halvings = 0
        self._references = 0
        self._kept: list[UInt64s] = []
        self._count = 0

    def extend(self, blocks: UInt64s) -> None:
        """Takes references.

        Args:
            blocks: 64-bit block hashes in the order of their references; shape (n,).
        """
        self._references += len(blocks)
        kept = _drawn(blocks, self._halvings)
        self._kept.append(kept)
        self._count += len(kept)
        while self._count > self._limit and self._halvings < _MOST_HALVINGS:
            self._halvings += 1
            self._kept = [_drawn(part, self._halvings) for part in self._kept]
            self._count = sum(map(len, self._kept))

    def references(self, limit: int | None = None) -> SampledReferences:
        """What was kept, or a smaller sample of it with at most `limit` references."""
        blocks = np.concatenate(self._kept) if self._kept else np.empty(0, np.uint64)
        halvings = self._halvings
        while limit is not None and len(blocks) > limit and halvings < _MOST_HALVINGS:
            halvings += 1
            blocks = _drawn(blocks, halvings)
        encoder = BlockIds()
        ids = encoder.encode(np.ascontiguousarray(blocks))
        return SampledReferences(
            ids=ids, distinct=len(encoder), rate=2.0**-halvings, references=self._references
        )


def _drawn(blocks: UInt64s, halvings: int) -> UInt64s:
    """The references of blocks whose mixed hash begins with so many zeros."""
    if not halvings:
        return blocks
    return blocks[_begin_with_zeros(np.ascontiguousarray(blocks), np.uint64(64 - halvings))]


@kernel
def _begin_with_zeros(keys: UInt64s, shift: np.uint64) -> Bools:
    """Mixed by the finaliser of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014)."""
    found = np.empty(len(keys), np.bool_)
    for i in range(len(keys)):
        x = keys[i] + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
        found[i] = x >> shift == np.uint64(0)
    return found
