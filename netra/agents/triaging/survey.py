"""One pass over a workload that notes what it holds: which columns, which names, how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from netra.agents.columns import Vocabulary, is_known, times
from netra.agents.selection import selected

#: Columns whose distinct texts are listed: few, and named in goals.
NAME_COLUMNS = ("feature", "tool_name", "operation", "app", "model", "provider", "environment")
#: Beyond this many sessions they are no longer told apart.
MAX_SESSIONS = 1_000_000
#: Beyond this many, the names of a column are no longer told apart.
MAX_NAMES = 10_000
#: Sessions that begin within this long of the trace's start begin "at once", microseconds.
_AT_ONCE_US = 1_000_000


class Survey:
    """What is found of a workload's events, batch by batch."""

    def __init__(self, columns: Sequence[str], wheres: Sequence[Mapping[str, Any]]) -> None:
        self.events = 0
        self.first_us: int | None = None
        self.last_us: int | None = None
        #: How many events have each column.
        self.known: dict[str, int] = dict.fromkeys(columns, 0)
        #: How many events each selection of the goal has.
        self.selected = [0] * len(wheres)
        #: How many events carry each name, by column.
        self.names: dict[str, Counter[str]] = {c: Counter() for c in NAME_COLUMNS}
        #: How many events each (provider or None, model) served.
        self.models: Counter[tuple[str | None, str]] = Counter()
        self._wheres = wheres
        self._vocabularies = {c: Vocabulary(MAX_NAMES) for c in NAME_COLUMNS}
        self._sessions = Vocabulary(MAX_SESSIONS)
        self._session_starts = np.empty(0, dtype=np.int64)

    def add(self, batch: pa.RecordBatch) -> None:
        """Notes one batch; rows in any order."""
        if not batch.num_rows:
            return
        ts = times(batch)
        least, most = int(ts.min()), int(ts.max())
        self.first_us = least if self.first_us is None else min(self.first_us, least)
        self.last_us = most if self.last_us is None else max(self.last_us, most)
        self.events += batch.num_rows
        for name in self.known:
            self.known[name] += int(is_known(batch, name).sum())
        for i, where in enumerate(self._wheres):
            self.selected[i] += int(selected(batch, where).sum())
        self._count_names(batch)
        self._note_sessions(batch, ts)

    @property
    def sessions(self) -> int:
        """How many sessions there are; at `MAX_SESSIONS` they are at least so many."""
        return len(self._sessions)

    @property
    def sessions_at_once(self) -> int:
        """How many sessions begin with the trace, as they all do where times are relative."""
        if self.first_us is None:
            return 0
        return int(np.count_nonzero(self._session_starts <= self.first_us + _AT_ONCE_US))

    def share(self, column: str) -> float:
        """The share of events on which the column is known; 0 for no events."""
        return self.known.get(column, 0) / self.events if self.events else 0.0

    def _count_names(self, batch: pa.RecordBatch) -> None:
        codes = {}
        for name, vocabulary in self._vocabularies.items():
            codes[name] = vocabulary.encode(batch, name)
            for text, count in _counts(codes[name], vocabulary):
                self.names[name][text] += count
        pairs = np.stack([codes["provider"], codes["model"]], axis=1)
        distinct, counts = np.unique(pairs, axis=0, return_counts=True)
        providers, models = (self._vocabularies[c].texts for c in ("provider", "model"))
        for (provider, model), count in zip(distinct.tolist(), counts.tolist(), strict=True):
            if model >= 0:
                key = (providers[provider] if provider >= 0 else None, models[model])
                self.models[key] += count

    def _note_sessions(self, batch: pa.RecordBatch, ts: np.ndarray) -> None:
        codes = self._sessions.encode(batch, "session_id")
        size = len(self._sessions)
        known = (codes >= 0) & (codes < size)
        if size > len(self._session_starts):
            more = max(size, 2 * len(self._session_starts)) - len(self._session_starts)
            padding = np.full(more, np.iinfo(np.int64).max)
            self._session_starts = np.concatenate([self._session_starts, padding])
        np.minimum.at(self._session_starts, codes[known], ts[known])


def _counts(codes: np.ndarray, vocabulary: Vocabulary) -> Iterator[tuple[str, int]]:
    counts = np.bincount(codes[codes >= 0])
    texts = vocabulary.texts
    for code in np.flatnonzero(counts):
        yield texts[code], int(counts[code])
