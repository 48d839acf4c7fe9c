"""One pass over a workload that keeps what a profile is computed from, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netra.agents.columns import Floats, Mask, Vocabulary, column, concatenate, numbers, times
from netra.agents.profiling import timeline
from netra.agents.selection import selected
from netra.analysis.breakdown import GroupSums
from netra.analysis.hourly import HourlySums

#: What usage and cost are broken down by.
GROUPS = ("model", "feature", "user_id", "app", "tool_name")
#: What is added up for each group.
MEASURES = (
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "list_cost_usd",
    "cost_usd",
    "failed",
)
#: What is kept for each event, for distributions: 4 bytes where that loses nothing (tokens are
#: whole numbers below 16 million).
SAMPLED: dict[str, npt.DTypeLike] = {
    "latency_ms": np.float64,
    "ttft_ms": np.float64,
    "input_tokens": np.float32,
    "output_tokens": np.float32,
    "quality": np.float64,
    "list_cost_usd": np.float64,
    "cost_usd": np.float64,
    "failed": np.float32,
}
#: Statuses of a request that was answered.
ANSWERED = ("ok", "success", "succeeded", "completed", "200")
#: Users beyond this many share one row.
MAX_GROUP_NAMES = 200_000


class Sample:
    """The values of one column over all events; takes no memory until one is known."""

    def __init__(self, dtype: npt.DTypeLike = np.float64) -> None:
        self._parts: list[npt.NDArray[np.floating]] = []
        self._unknown_first = 0
        self._dtype = dtype

    def add(self, values: Floats) -> None:
        if not self._parts and np.isnan(values).all():
            self._unknown_first += len(values)
            return
        if not self._parts:
            self._parts.append(np.full(self._unknown_first, np.nan, self._dtype))
        self._parts.append(values.astype(self._dtype))

    def known(self, rows: Mask | None = None) -> Floats:
        """The known values of the events in `rows` (None: of all), in order."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        if not self._parts:
            return np.empty(0)
        chosen = ~np.isnan(self._parts[0])
        if rows is not None:
            chosen &= rows
        return self._parts[0][chosen].astype(np.float64, copy=False)


class Traffic:
    """What is kept of a workload's events, batch by batch."""

    def __init__(self, wheres: Sequence[Mapping[str, Any]]) -> None:
        self.events = 0
        self.known: dict[str, int] = {}
        self.vocabularies = {g: Vocabulary(MAX_GROUP_NAMES) for g in GROUPS}
        self.groups = {g: GroupSums(MEASURES) for g in GROUPS}
        self.samples = {c: Sample(dtype) for c, dtype in SAMPLED.items()}
        self.hourly = HourlySums(timeline.MEASURES)
        self.inconsistent = {"cached above input": 0, "ttft above latency": 0}
        self._wheres = wheres
        self._codes: dict[str, list[npt.NDArray[np.int32]]] = {"model": [], "feature": []}
        self._selected: list[list[Mask]] = [[] for _ in wheres]

    def add(self, batch: pa.RecordBatch, list_cost: Floats) -> None:
        """Keeps one batch; `list_cost` is USD at list prices, NaN where it is unknown."""
        self.events += batch.num_rows
        read = {c: numbers(batch, c) for c in (*MEASURES[:5], "latency_ms", "ttft_ms", "quality")}
        read |= {"cost_usd": numbers(batch, "cost_usd"), "list_cost_usd": list_cost}
        read["failed"] = failures(batch)
        for name, values in read.items():
            self.known[name] = self.known.get(name, 0) + int(np.count_nonzero(~np.isnan(values)))
        for group in GROUPS:
            codes = self.vocabularies[group].encode(batch, group)
            self.groups[group].add(codes, read)
            self.known[group] = self.known.get(group, 0) + int(np.count_nonzero(codes >= 0))
            if group in self._codes:
                self._codes[group].append(codes)
        for name in SAMPLED:
            self.samples[name].add(read[name])
        self.hourly.add(times(batch), timeline.hourly_measures(read))
        self._note_inconsistent(read)
        for parts, where in zip(self._selected, self._wheres, strict=True):
            parts.append(selected(batch, where))

    def codes(self, group: str) -> npt.NDArray[np.int32]:
        """The group's code on every event, `model` or `feature`; -1 where unknown."""
        parts = self._codes[group]
        if len(parts) > 1:
            self._codes[group] = parts = [concatenate(parts, np.int32)]
        return parts[0] if parts else np.empty(0, np.int32)

    def selection(self, where: Mapping[str, Any]) -> Mask | None:
        """The events of one of the goal's selections; None: all of them."""
        if not where:
            return None
        return concatenate(self._selected[list(self._wheres).index(dict(where))], np.bool_)

    def _note_inconsistent(self, read: Mapping[str, Floats]) -> None:
        with np.errstate(invalid="ignore"):
            above = read["cached_input_tokens"] > read["input_tokens"]
            late = read["ttft_ms"] > read["latency_ms"]
        self.inconsistent["cached above input"] += int(above.sum())
        self.inconsistent["ttft above latency"] += int(late.sum())


def failures(batch: pa.RecordBatch) -> Floats:
    """1 where the status says that the request failed, 0 where it was answered, else NaN."""
    values = column(batch, "status")
    if values is None or values.null_count == len(values):
        return np.full(batch.num_rows, np.nan)
    vocabulary = Vocabulary()
    codes = vocabulary.encode(batch, "status")
    failed = [0.0 if text.lower() in ANSWERED else 1.0 for text in vocabulary.texts]
    return np.where(codes < 0, np.nan, np.array([*failed, np.nan])[codes])
