"""Events as an engine's log: from a workload's columns, or from events given as objects.

The engine's own clock is known where events keep `queued_ts` as an attribute (format `vllm-run`):
its times are that plus the durations, to the nanosecond in which such engines log. Elsewhere a
request is taken to be queued when it arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from netra.agents.columns import Floats, column, concatenate, numbers, times
from netra.analysis.serving.run_log import RunLog
from netra.errors import InsufficientData, InvalidInput, Problem

#: The attribute that has the engine's time of queueing, in seconds.
QUEUED = "queued_ts"
_NUMBERS = ("input_tokens", "output_tokens", "queued_ms", "ttft_ms", "latency_ms")
_DECIMALS = 9


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadLog:
    """The requests of a log, and what was not read."""

    log: RunLog
    #: Events without token counts, or with a count of 0: nothing was served, or nobody knows what.
    left_out: int
    #: Requests whose times cannot be, the last token before the first, say: they are load, and
    #: neither fitted nor scored.
    disordered: int
    #: Requests beyond the limit.
    beyond: int
    #: Whether the engine's own clock is known.
    own_clock: bool


def read_log(batches: Iterable[pa.RecordBatch], limit: int) -> ReadLog:
    """The first requests by arrival.

    Raises:
        InsufficientData: no event has token counts.
    """
    parts: list[dict[str, np.ndarray]] = []
    for batch in batches:
        found: dict[str, np.ndarray] = {name: numbers(batch, name) for name in _NUMBERS}
        parts.append(found | {"ts": times(batch), QUEUED: _queued(batch)})
    names = ("ts", *_NUMBERS, QUEUED)
    columns = {name: concatenate((p[name] for p in parts), np.float64) for name in names}
    served = (columns["input_tokens"] >= 1) & (columns["output_tokens"] >= 1)
    if not bool(served.any()):
        raise InsufficientData(
            "no event says how many tokens were read and written",
            needs=["input_tokens", "output_tokens"],
        )
    chosen = {name: values[served] for name, values in columns.items()}
    own_clock = bool(np.isfinite(chosen[QUEUED]).any())
    arrival_s = chosen["ts"] / 1e6
    queued_s = chosen[QUEUED] if own_clock else arrival_s
    log = RunLog.by_arrival(
        arrival_s,
        chosen["input_tokens"].astype(np.int64),
        chosen["output_tokens"].astype(np.int64),
        queued_s=queued_s,
        scheduled_s=_after(queued_s, chosen["queued_ms"]),
        first_token_s=_after(queued_s, chosen["ttft_ms"]),
        last_token_s=_after(queued_s, chosen["latency_ms"]),
    )
    read = log.first(limit)
    return ReadLog(
        log=read.in_order(),
        left_out=len(served) - len(log),
        disordered=int(np.count_nonzero(read.disordered)),
        beyond=max(0, len(log) - limit),
        own_clock=own_clock,
    )


def batches_of(events: Sequence[Mapping[str, Any]], where: str) -> Iterator[pa.RecordBatch]:
    """Events given as objects, as a workload would have them.

    Raises:
        InvalidInput: one has no time, or something in it is of another kind than its column.
    """
    if not events:
        raise InvalidInput(f"{where} has no events", [Problem(where=where, problem="is empty")])
    columns: dict[str, pa.Array] = {}
    moments = [_moment(e.get("ts"), f"{where}[{k}].ts") for k, e in enumerate(events)]
    columns["ts"] = pa.array(moments, pa.timestamp("us", "UTC"))
    for name in _NUMBERS:
        try:
            columns[name] = pa.array([e.get(name) for e in events], pa.float64())
        except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
            wrong = Problem(where=f"{where}[].{name}", problem="is not a number in all events")
            raise InvalidInput(f"{where} holds what is no event", [wrong]) from e
    texts = [_attributes(e.get("attributes"), f"{where}[{k}]") for k, e in enumerate(events)]
    columns["attributes"] = pa.array(texts, pa.map_(pa.string(), pa.string()))
    yield pa.RecordBatch.from_pydict(columns)


def _after(queued_s: Floats, milliseconds: Floats) -> Floats:
    return np.round(queued_s + milliseconds / 1000.0, _DECIMALS)


def _queued(batch: pa.RecordBatch) -> Floats:
    found = np.full(batch.num_rows, np.nan)
    maps = column(batch, "attributes")
    if maps is None or not len(maps):
        return found
    for k, pairs in enumerate(maps.to_pylist()):
        text = dict(pairs or ()).get(QUEUED)
        if text is not None:
            found[k] = _number(text)
    return found


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return float("nan")
    return value if np.isfinite(value) else float("nan")


def _moment(value: Any, where: str) -> datetime:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        wrong = Problem(where=where, problem="is no time", got=value, expected="RFC 3339")
        raise InvalidInput("an event without a time", [wrong]) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _attributes(value: Any, where: str) -> list[tuple[str, str]]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [(str(k), str(v)) for k, v in value.items()]
    if isinstance(value, list) and all(isinstance(v, tuple | list) and len(v) == 2 for v in value):
        return [(str(k), str(v)) for k, v in value]
    wrong = Problem(where=f"{where}.attributes", problem="is no object", got=value)
    raise InvalidInput("an event's attributes are no object", [wrong])
