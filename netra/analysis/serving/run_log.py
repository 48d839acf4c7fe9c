"""A serving engine's own log of a run: when each request was queued, scheduled and answered."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

import numpy as np

from netra.analysis.compiled import Bools, Floats, Int64s
from netra.errors import InvalidEvents, Problem

_COUNTS = ("input_toks", "output_toks")
_STAMPS = ("queued_ts", "scheduled_ts", "first_token_ts", "last_token_ts")


@dataclass(frozen=True, kw_only=True, eq=False)
class RunLog:
    """One row a request, by arrival; shape (n,). Unknown times are NaN."""

    #: Seconds on the wall clock.
    arrival_s: Floats
    input_tokens: Int64s
    output_tokens: Int64s
    #: Seconds on the engine's own clock, whose origin is not known.
    queued_s: Floats
    scheduled_s: Floats
    first_token_s: Floats
    last_token_s: Floats

    def __len__(self) -> int:
        return len(self.arrival_s)

    @classmethod
    def by_arrival(
        cls,
        arrival_s: Floats,
        input_tokens: Int64s,
        output_tokens: Int64s,
        *,
        queued_s: Floats,
        scheduled_s: Floats,
        first_token_s: Floats,
        last_token_s: Floats,
    ) -> RunLog:
        """Columns in any order; what arrived together stays in that order."""
        order = np.argsort(arrival_s, kind="stable")
        return cls(
            arrival_s=arrival_s[order],
            input_tokens=input_tokens[order],
            output_tokens=output_tokens[order],
            queued_s=queued_s[order],
            scheduled_s=scheduled_s[order],
            first_token_s=first_token_s[order],
            last_token_s=last_token_s[order],
        )

    def first(self, count: int) -> RunLog:
        """The first so many by arrival."""
        columns = {field.name: getattr(self, field.name)[:count] for field in fields(self)}
        return RunLog(**columns)

    @property
    def disordered(self) -> Bools:
        """Requests whose tokens came before they were queued, or the last before the first: which
        of the times is wrong, nobody knows."""
        return (
            (self.last_token_s < self.first_token_s)
            | (self.first_token_s < self.queued_s)
            | (self.last_token_s < self.queued_s)
        )

    def in_order(self) -> RunLog:
        """The same requests, their load included; of the disordered, no time of a token."""
        wrong = self.disordered
        return dataclasses.replace(
            self,
            first_token_s=np.where(wrong, np.nan, self.first_token_s),
            last_token_s=np.where(wrong, np.nan, self.last_token_s),
        )

    @property
    def ttft_s(self) -> Floats:
        """From the queue to the first token."""
        return self.first_token_s - self.queued_s

    @property
    def tpot_s(self) -> Floats:
        """The mean time between tokens; NaN for a request of one token."""
        gaps = np.where(self.output_tokens > 1, self.output_tokens - 1, np.nan)
        return (self.last_token_s - self.first_token_s) / gaps

    @property
    def latency_s(self) -> Floats:
        """From the queue to the last token."""
        return self.last_token_s - self.queued_s


def read_run_log(rows: Sequence[Mapping[str, Any]]) -> RunLog:
    """The rows of a log, whose keys are those of vLLM's request statistics, ordered by arrival.

    Times of tokens that cannot be are unknown.

    Raises:
        InvalidEvents: a row has no arrival or no token counts, or they are not numbers.
    """
    problems: list[Problem] = []
    for k, row in enumerate(rows):
        for name in ("arrival_time", *_COUNTS):
            if not isinstance(row.get(name), int | float) or not np.isfinite(row[name]):
                problems.append(Problem(where=f"row {k + 1}", problem=f"has no {name}"))
        for name in _COUNTS:
            if isinstance(row.get(name), int | float) and row[name] < 1:
                wrong = f"{name} is below 1"
                problems.append(Problem(where=f"row {k + 1}", problem=wrong, got=row[name]))
    if problems:
        raise InvalidEvents(f"{len(problems)} problems in the run's log", problems[:20])
    arrival = np.array([row["arrival_time"] for row in rows], np.float64)
    counts = {name: np.array([row[name] for row in rows], np.int64) for name in _COUNTS}
    stamps = {name: _stamps(rows, name) for name in _STAMPS}
    return RunLog.by_arrival(
        arrival,
        counts["input_toks"],
        counts["output_toks"],
        queued_s=stamps["queued_ts"],
        scheduled_s=stamps["scheduled_ts"],
        first_token_s=stamps["first_token_ts"],
        last_token_s=stamps["last_token_ts"],
    ).in_order()


def _stamps(rows: Sequence[Mapping[str, Any]], name: str) -> Floats:
    values = [row.get(name) for row in rows]
    known = [cast(float, v) if isinstance(v, int | float) else np.nan for v in values]
    return np.array(known, np.float64)
