"""A workload as demand: its own demand points, or its requests counted by the window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from netra.agents.base import Context, Inputs
from netra.agents.columns import Codes, Floats, Vocabulary, concatenate, numbers, times
from netra.analysis.demand.panel import Panel, panel
from netra.analysis.split import sessions_begin_at_zero
from netra.errors import InsufficientData, StageCancelled

#: Requests are counted in windows of this length, seconds.
_COUNT_WINDOW_S = 600
#: More series than this are forecast as one: the largest stay on their own.
MOST_SERIES = 200
#: If more of the windows than this have no point, there is no series to speak of.
_MOST_FILLED = 0.2
_OTHERS = "(others)"


@dataclass(frozen=True, kw_only=True)
class Demand:
    """Rates of several series."""

    names: tuple[str, ...]
    panel: Panel
    #: `requests/s`, `tokens/s`.
    unit: str
    #: Columns that it was made of.
    columns: tuple[str, ...]
    #: Points or requests that it was made of.
    n: int
    #: What it was made of, in words.
    made_of: str

    @property
    def hours(self) -> float:
        return self.panel.rates.shape[1] * self.panel.window_s / 3600

    @property
    def filled(self) -> float:
        """Share of the windows without a measurement of their own."""
        return float(self.panel.filled.mean())


def read(inputs: Inputs, measure: str, group_by: str, context: Context) -> Demand:
    """The workload's demand points if it has any, else its requests.

    Raises:
        InsufficientData: there is neither, or too little of a series.
        StageCancelled: the stage was asked to stop.
    """
    points = [batch for batch in inputs.demand() if batch.num_rows]
    found = _of_points(points) if points else _of_requests(inputs, measure, group_by, context)
    if found.filled > _MOST_FILLED:
        raise InsufficientData(
            f"{found.filled:.0%} of the windows have no measurement",
            [f"a rate in at least {1 - _MOST_FILLED:.0%} of the windows of each series"],
        )
    return found


def _of_points(batches: list[pa.RecordBatch]) -> Demand:
    names = Vocabulary()
    codes = concatenate((names.encode(batch, "series") for batch in batches), np.int64)
    rates = concatenate((numbers(batch, "rate") for batch in batches), np.float64)
    seconds = concatenate((times(batch) for batch in batches), np.int64) / 1e6
    every = panel(seconds, codes, rates, len(names))
    kept, texts = _largest(every, names.texts)
    return Demand(
        names=texts,
        panel=kept,
        unit="requests/s",
        columns=("ts", "series", "rate"),
        n=len(rates),
        made_of=f"{len(rates):,} measured rates in windows of {every.window_s:g} s",
    )


def _of_requests(inputs: Inputs, measure: str, group_by: str, context: Context) -> Demand:
    counted = _Counted(measure, group_by, clocks=not inputs.workload.anchored)
    for batch in inputs.events():
        if context.cancelled():
            raise StageCancelled
        counted.add(batch)
        context.progress(0.2, f"{counted.events:,} requests counted")
    return counted.finish()


class _Counted:
    """Requests or tokens by series and window, over batches that come in the order of time."""

    def __init__(self, measure: str, group_by: str, *, clocks: bool) -> None:
        self._measure = measure
        self._group_by = None if group_by == "none" else group_by
        self._names, self._sessions = Vocabulary(), Vocabulary()
        self._sums: dict[int, float] = {}
        self._clocks: list[tuple[np.ndarray, Codes]] | None = [] if clocks else None
        self._first_us = self._last_us = 0
        self.events = 0
        self._known = 0

    def add(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        ts = times(batch)
        if not self.events:
            self._first_us = int(ts[0])
        self._last_us = max(self._last_us, int(ts[-1]))
        self.events += len(ts)
        amounts = self._amounts(batch)
        self._known += int(np.isfinite(amounts).sum())
        codes = np.zeros(len(ts), np.int64)
        if self._group_by is not None:
            # Code 0 is for the requests that do not say.
            codes = self._names.encode(batch, self._group_by).astype(np.int64) + 1
        keys, places = np.unique(
            codes << 40 | ts // (_COUNT_WINDOW_S * 1_000_000), return_inverse=True
        )
        sums = np.bincount(places, np.nan_to_num(amounts), minlength=len(keys))
        for key, amount in zip(keys.tolist(), sums.tolist(), strict=True):
            self._sums[key] = self._sums.get(key, 0.0) + amount
        if self._clocks is not None:
            self._clocks.append((ts, self._sessions.encode(batch, "session_id")))

    def _amounts(self, batch: pa.RecordBatch) -> Floats:
        if self._measure == "requests":
            return np.ones(batch.num_rows)
        if self._measure == "tokens":
            return numbers(batch, "input_tokens") + numbers(batch, "output_tokens")
        return numbers(batch, self._measure)

    def finish(self) -> Demand:
        """Rates per second in the windows that lie wholly between the first and last request.

        Raises:
            InsufficientData: there are no requests, they do not say what is measured, or each
                session has a clock of its own.
        """
        if not self.events:
            raise InsufficientData("the workload has no events", ["events, or a demand series"])
        if self._known < self.events:
            raise InsufficientData(
                f"{self.events - self._known:,} of {self.events:,} requests do not say their"
                f" {self._measure}",
                [f"{self._measure} of every request"],
            )
        self._check_clocks()
        window_us = _COUNT_WINDOW_S * 1_000_000
        first, end = -(-self._first_us // window_us), self._last_us // window_us
        if end - first < 2:
            raise InsufficientData(
                "the requests span less than two whole windows",
                [f"requests over more than {2 * _COUNT_WINDOW_S} s"],
            )
        texts = ["(unknown)" if self._group_by else "all", *self._names.texts]
        rates = np.zeros((len(texts), end - first))
        for key, amount in self._sums.items():
            code, window = key >> 40, key & ((1 << 40) - 1)
            if first <= window < end:
                rates[code, window - first] += amount / _COUNT_WINDOW_S
        used = np.flatnonzero(rates.any(axis=1))
        if not used.size:
            raise InsufficientData("there is no demand in whole windows", ["requests over time"])
        every = Panel(
            rates=rates[used],
            filled=np.zeros((len(used), end - first), dtype=bool),
            window_s=_COUNT_WINDOW_S,
            start_s=first * _COUNT_WINDOW_S,
        )
        kept, names = _largest(every, [texts[i] for i in used.tolist()])
        columns = ("ts", *([self._group_by] if self._group_by else []))
        return Demand(
            names=names,
            panel=kept,
            unit="requests/s" if self._measure == "requests" else "tokens/s",
            columns=columns if self._measure == "requests" else (*columns, self._measure),
            n=self.events,
            made_of=f"{self.events:,} requests, {self._measure} counted by"
            f" {_COUNT_WINDOW_S // 60} minutes",
        )

    def _check_clocks(self) -> None:
        if self._clocks is None:
            return
        ts = concatenate((t for t, _ in self._clocks), np.int64)
        sessions = concatenate((s for _, s in self._clocks), np.int32)
        if sessions_begin_at_zero(ts, sessions):
            raise InsufficientData(
                "each session's times count from its own start, so that nothing is known of when"
                " demand comes",
                ["times of a common clock"],
            )


def _largest(every: Panel, texts: list[str]) -> tuple[Panel, tuple[str, ...]]:
    """The largest series on their own, the others added up; in order of volume."""
    order = np.argsort(-every.rates.sum(axis=1), kind="stable")
    head, tail = order[:MOST_SERIES], order[MOST_SERIES:]
    rates, filled = every.rates[head], every.filled[head]
    names = [texts[i] for i in head.tolist()]
    if tail.size:
        rates = np.vstack([rates, every.rates[tail].sum(axis=0)])
        filled = np.vstack([filled, every.filled[tail].any(axis=0)])
        names.append(_OTHERS)
    kept = Panel(rates=rates, filled=filled, window_s=every.window_s, start_s=every.start_s)
    return kept, tuple(names)
