"""The workload as a trace of requests to serve, and what of it had to be left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netra.agents.base import Context, Inputs
from netra.agents.capacity_planning.block_lists import BlockLists
from netra.agents.columns import Codes, Vocabulary, concatenate, numbers, times
from netra.analysis.percentiles import needed
from netra.analysis.serving.search.limits import Limit
from netra.analysis.serving.search.trace import Trace
from netra.errors import InsufficientData, StageCancelled

#: Of the sessions of an unanchored trace, so many have to begin with it to call times relative.
_RELATIVE_SHARE = 0.9


@dataclass(frozen=True, kw_only=True)
class Requests:
    """What is served, and what is not."""

    #: Seconds from the first of all events.
    trace: Trace
    #: Microseconds since 1970 of the first event; of relative times, whatever they began with.
    start_us: int
    anchored: bool
    events: int
    #: Events that cannot be served, by why.
    left_out: dict[str, int]
    #: Requests that say which blocks their prompt has, and why that is not used, if it is not.
    hashed: int = 0
    unhashed_why: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "events": self.events,
            "requests": len(self.trace),
            "left_out": self.left_out,
            "span_s": self.trace.span_s,
            "anchored": self.anchored,
            "with_block_hashes": self.hashed,
        }


def read_requests(inputs: Inputs, context: Context, limits: list[Limit]) -> Requests:
    """Reads arrivals and token counts.

    Raises:
        InsufficientData: nothing says how long prompts or answers are, times are not common to all
            requests, or there are too few for the percentiles of the limits.
        StageCancelled: the stage was asked to stop.
    """
    ts, prompt, output, sessions, blocks = _columns(inputs, context)
    events = len(ts)
    if not events:
        raise InsufficientData("the workload has no events", needs=["events"])
    for name, values in (("input_tokens", prompt), ("output_tokens", output)):
        if not bool(np.any(values > 0)):
            raise InsufficientData(f"no event says its {name}", needs=[name])
    if not inputs.workload.anchored and _begin_at_once(ts, sessions):
        raise InsufficientData(
            "each session has a clock of its own: when requests meet is not known",
            needs=["times common to all sessions"],
        )
    kept = (prompt >= 1) & (output >= 1)
    left_out = {
        "input_tokens is unknown or 0": int(np.count_nonzero(~(prompt >= 1))),
        "output_tokens is unknown or 0": int(np.count_nonzero((prompt >= 1) & ~(output >= 1))),
    }
    order = np.argsort(ts[kept], kind="stable")
    start = int(ts.min())
    if not kept.any():
        raise InsufficientData(
            "no event has both token counts", needs=["input_tokens", "output_tokens"]
        )
    rows = np.flatnonzero(kept)[order]
    prefixes, why = blocks.prefixes(rows, prompt[rows].astype(np.int64))
    trace = Trace(
        arrival_s=(ts[rows] - start) / 1e6,
        input_tokens=prompt[rows].astype(np.int64),
        output_tokens=output[rows].astype(np.int64),
        prefixes=prefixes,
    )
    _check_enough(trace, limits)
    return Requests(
        trace=trace,
        start_us=start,
        anchored=inputs.workload.anchored,
        events=events,
        left_out={why: n for why, n in left_out.items() if n},
        hashed=blocks.hashed(rows) if prefixes is not None else 0,
        unhashed_why=why,
    )


def _columns(
    inputs: Inputs, context: Context
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, BlockLists]:
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, Codes]] = []
    blocks = BlockLists()
    names = Vocabulary()
    for batch in inputs.events():
        if context.cancelled():
            raise StageCancelled
        blocks.add(batch)
        parts.append(
            (
                times(batch),
                numbers(batch, "input_tokens"),
                numbers(batch, "output_tokens"),
                names.encode(batch, "session_id"),
            )
        )
    return (
        concatenate((p[0] for p in parts), np.int64),
        concatenate((p[1] for p in parts), np.float64),
        concatenate((p[2] for p in parts), np.float64),
        concatenate((p[3] for p in parts), np.int32),
        blocks,
    )


def _begin_at_once(ts: np.ndarray, sessions: np.ndarray) -> bool:
    """Whether nearly all sessions begin with the trace: then their times are relative."""
    known = sessions >= 0
    if not known.any():
        return False
    count = int(sessions.max()) + 1
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, sessions[known], ts[known])
    at_once = int(np.count_nonzero(first == ts.min()))
    return count > 1 and at_once >= _RELATIVE_SHARE * count


def _check_enough(trace: Trace, limits: list[Limit]) -> None:
    several = int(np.count_nonzero(trace.output_tokens > 1))
    needs: list[str] = []
    for limit in limits:
        n = several if limit.metric == "tpot" else len(trace)
        what = "requests with more than one output token" if limit.metric == "tpot" else "requests"
        if n < needed(limit.q):
            needs.append(f"{needed(limit.q)} {what} for {limit.name}, there are {n}")
    if needs:
        raise InsufficientData("there are too few requests for these percentiles", needs=needs)
