"""The blocks of prompts, kept for analyses that look at them more than once; whole sessions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from netra.agents.columns import Codes, Mask
from netra.analysis.block_ids import BlockIds
from netra.analysis.compiled import Int32s, Int64s, UInt64s

#: Block references that are kept at most: 4 bytes each.
MOST_REFERENCES = 100_000_000
_MOST_HALVINGS = 40
#: Rows, sessions, lengths and blocks of some requests.
_Part = tuple[Int64s, Codes, Int64s, Int32s]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """The prompts of some requests, in order."""

    #: Which requests, as numbered by whoever added them; ascending; shape (n,).
    rows: Int64s
    #: Dense ids of their blocks, 0 to `distinct - 1`; prompt i has those from `offsets[i]` to
    #: `offsets[i + 1]`; shapes (m,) and (n + 1,).
    blocks: Int32s
    offsets: Int64s
    distinct: int
    #: The share of sessions that were to be kept; 1: all.
    share: float


class PromptSample:
    """Takes prompts as they come; where they grow too many it keeps half of the sessions."""

    def __init__(self, most_references: int = MOST_REFERENCES) -> None:
        self._most = most_references
        self._halvings = 0
        self._ids = BlockIds()
        self._count = 0
        self._parts: list[_Part] = []

    def add(
        self,
        rows: Int64s,
        sessions: Codes,
        blocks: UInt64s,
        lengths: npt.NDArray[np.integer],
    ) -> None:
        """Takes prompts.

        Args:
            rows: their numbers; shape (n,).
            sessions: which requests are kept or dropped together; shape (n,).
            blocks: the hashes of all their blocks; shape (m,).
            lengths: how many each has; shape (n,).
        """
        lengths = np.asarray(lengths, np.int64)
        keep = self._drawn(sessions)
        if not keep.all():
            blocks = blocks[np.repeat(keep, lengths)]
            rows, sessions, lengths = rows[keep], sessions[keep], lengths[keep]
        ids = self._ids.encode(np.ascontiguousarray(blocks))
        self._parts.append((rows, sessions, lengths, ids))
        self._count += len(blocks)
        while self._count > self._most and self._halvings < _MOST_HALVINGS:
            self._halvings += 1
            self._parts = [self._thinned(*part) for part in self._parts]
            self._count = sum(len(part[3]) for part in self._parts)

    def prompts(self) -> Prompts:
        """What was kept."""
        rows = [np.empty(0, np.int64), *(part[0] for part in self._parts)]
        lengths = [np.empty(0, np.int64), *(part[2] for part in self._parts)]
        blocks = [np.empty(0, np.int32), *(part[3] for part in self._parts)]
        return Prompts(
            rows=np.concatenate(rows),
            blocks=np.concatenate(blocks),
            offsets=np.append(0, np.cumsum(np.concatenate(lengths))).astype(np.int64),
            distinct=len(self._ids),
            share=2.0**-self._halvings,
        )

    def _thinned(self, rows: Int64s, sessions: Codes, lengths: Int64s, ids: Int32s) -> _Part:
        keep = self._drawn(sessions)
        return rows[keep], sessions[keep], lengths[keep], ids[np.repeat(keep, lengths)]

    def _drawn(self, sessions: Codes) -> Mask:
        """Sessions whose hash begins with enough zeros."""
        if not self._halvings:
            return np.ones(len(sessions), np.bool_)
        hashed = (sessions.astype(np.int64).astype(np.uint64) + np.uint64(1)) * _GOLDEN
        return hashed >> np.uint64(64 - self._halvings) == 0
