"""Which blocks prompts have, of all events, until it is known which of them are served."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from netra.agents.columns import column, numbers
from netra.analysis.serving.prefixes import Prefixes, prefixes_of
from netra.analysis.serving.search.offers import BLOCK_TOKENS

_Int64s = npt.NDArray[np.int64]


class BlockLists:
    """The lists of block hashes, flat, with how many each event has."""

    def __init__(self) -> None:
        self._hashes: list[npt.NDArray[np.uint64]] = []
        self._counts: list[_Int64s] = []
        self._tokens: set[float] = set()

    def add(self, batch: pa.RecordBatch) -> None:
        lists = column(batch, "prefix_hashes")
        if lists is None:
            self._counts.append(np.zeros(batch.num_rows, np.int64))
            return
        counts = pc.fill_null(pc.list_value_length(lists), 0)
        found: _Int64s = np.asarray(counts, dtype=np.int64)
        self._counts.append(found)
        self._hashes.append(np.asarray(lists.flatten(), dtype=np.uint64))
        tokens = numbers(batch, "block_tokens")[found > 0]
        self._tokens |= set(np.unique(tokens[np.isfinite(tokens)]).tolist())

    def hashed(self, rows: _Int64s) -> int:
        """How many of these events have hashes."""
        return int(np.count_nonzero(self._all_counts()[rows]))

    def prefixes(self, rows: _Int64s, input_tokens: _Int64s) -> tuple[Prefixes | None, str]:
        """What the prompts of these events have in common; None, and why: it cannot be said."""
        counts = self._all_counts()
        if not counts[rows].any():
            return None, "no request says which blocks its prompt has (prefix_hashes)"
        if len(self._tokens) != 1:
            return (
                None,
                f"blocks are of {len(self._tokens)} sizes, or of unknown size (block_tokens)",
            )
        tokens = int(next(iter(self._tokens)))
        if tokens < BLOCK_TOKENS or tokens % BLOCK_TOKENS:
            return None, f"blocks of {tokens} tokens do not end where vLLM's of {BLOCK_TOKENS} end"
        starts = np.cumsum(counts) - counts
        lengths = counts[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        hashes = np.concatenate(self._hashes)[np.repeat(starts[rows], lengths) + within]
        return prefixes_of(offsets, hashes, input_tokens, block_tokens=tokens), ""

    def _all_counts(self) -> _Int64s:
        return np.concatenate(self._counts) if self._counts else np.empty(0, np.int64)
