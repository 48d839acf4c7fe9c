"""Generated workloads of any size with planted truth (`planted.Planted`), for tests and demos.

A workload is made of sessions. Session s of S begins where the integral of the seasonal
intensity reaches (s + u) / S, so sessions come in time order, follow the seasons closely even in
small workloads, and can be made block by block in bounded memory. Every turn sends the feature's
system prompt, all earlier turns and some new text; so its block hashes begin with those of the
turn before, and with those of every session of the feature.

The same arguments give the same events, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netra.errors import InvalidInput, Problem
from netra.ingest.hashes import offsets
from netra.ingest.identity import mix
from netra.ingest.planted import Planted, ReorderTruth, TimestampTruth, plant
from netra.ingest.schema import EVENT_SCHEMA, TIMESTAMP, assemble
from netra.ingest.timestamps import to_us
from netra.ingest.write import write_events

#: A Monday.
DEFAULT_START = datetime(2025, 3, 3, tzinfo=UTC)
DEFAULT_DAYS = 28
_BATCH_ROWS = 50_000
#: Sessions made at a time; part of what a seed means.
_BLOCK_SESSIONS = 16_384
_HOUR_US = 3_600_000_000
_MAX_NEW_TOKENS = 20_000
_MAX_OUTPUT_TOKENS = 4_000


def workload(
    rows: int,
    seed: int = 0,
    days: int = DEFAULT_DAYS,
    start: datetime = DEFAULT_START,
    *,
    timestamp: TimestampTruth | None = None,
    reordered: ReorderTruth | None = None,
) -> tuple[Planted, Iterator[pa.RecordBatch]]:
    """Exactly `rows` events in time order, in batches of the event schema, and their truth.

    Sessions begin within `days` of `start` (cut to the hour); their last turns may come later.
    What breaks the prefixes of prompts changes their hashes, and nothing else.

    Raises:
        InvalidInput: `rows` or `days` is not positive.
    """
    for name, value in (("rows", rows), ("days", days)):
        if value < 1:
            problem = Problem(
                where=name, problem="is not positive", got=value, expected="at least 1"
            )
            raise InvalidInput("a workload needs rows and days", (problem,))
    truth = replace(plant(rows, seed, days, start), timestamp=timestamp, reordered=reordered)
    return truth, _batches(truth)


def write(
    path: Path,
    rows: int,
    seed: int = 0,
    days: int = DEFAULT_DAYS,
    start: datetime = DEFAULT_START,
) -> Planted:
    """Writes a workload as `.parquet`, `.csv` or `.jsonl`, as the path's name says.

    Raises:
        InvalidInput: the name says none of them, or the size is not positive.
    """
    truth, batches = workload(rows, seed, days, start)
    write_events(path, batches, columns=COLUMNS)
    return truth


#: The columns that generated events know.
COLUMNS = (
    *("event_id", "ts", "session_id", "provider", "model", "app", "feature", "environment"),
    *("user_id", "operation", "tool_name", "input_tokens", "output_tokens"),
    *("cached_input_tokens", "cache_write_tokens", "ttft_ms", "latency_ms", "status"),
    *("error_code", "cost_usd", "quality", "prefix_hashes", "block_tokens"),
)


def _batches(truth: Planted) -> Iterator[pa.RecordBatch]:
    """Blocks of sessions -> events, held back until no later session can begin before them."""
    sessions, last_turns = _count_sessions(truth)
    pending = pa.Table.from_batches([], EVENT_SCHEMA)
    for first in range(0, sessions, _BLOCK_SESSIONS):
        block = _Block(truth, first // _BLOCK_SESSIONS)
        block.cut(min(_BLOCK_SESSIONS, sessions - first))
        is_last = first + len(block.turns) == sessions
        if is_last:
            block.turns[-1] = last_turns
        events = pa.Table.from_batches([block.events(sessions)])
        pending = pa.concat_tables([pending, events]).sort_by([("ts", "ascending")])
        ready = len(pending)
        if not is_last:
            horizon = _time_us(truth, (first + len(block.turns)) / sessions)
            ts = pending["ts"].cast(pa.int64()).to_numpy()
            ready = int(np.searchsorted(ts, horizon, side="left"))
        yield from pending.slice(0, ready).combine_chunks().to_batches(_BATCH_ROWS)
        pending = pending.slice(ready)


def _count_sessions(truth: Planted) -> tuple[int, int]:
    """How many sessions give `truth.rows` events, and how many turns are left for the last."""
    sessions, rows = 0, 0
    while True:
        turns = _Block(truth, sessions // _BLOCK_SESSIONS).turns
        ends = rows + np.cumsum(turns)
        if ends[-1] >= truth.rows:
            last = int(np.searchsorted(ends, truth.rows))
            return sessions + last + 1, int(truth.rows - (ends[last] - turns[last]))
        sessions, rows = sessions + len(turns), int(ends[-1])


def _time_us(truth: Planted, share: float | np.ndarray) -> np.ndarray:
    """When `share` of all sessions have begun, µs since 1970."""
    begun = np.append(0.0, np.cumsum(truth.intensity()))
    hours = np.interp(np.asarray(share) * begun[-1], begun, np.arange(len(begun)))
    return to_us(truth.start) + (hours * _HOUR_US).astype(np.int64)


class _Block:
    """Some consecutive sessions and their events. What is drawn comes in a fixed order."""

    def __init__(self, truth: Planted, number: int) -> None:
        self._truth = truth
        self._first = number * _BLOCK_SESSIONS
        self._rng = np.random.default_rng([truth.seed, number])
        # Of its own, so that what breaks prefixes changes nothing else.
        self._breaking = np.random.default_rng([truth.seed, number, 1])
        share = np.array([f.share for f in truth.features])
        mean = np.array([f.mean_turns for f in truth.features])
        n = _BLOCK_SESSIONS
        #: Feature number of each session, and how many turns it has.
        self.feature = self._rng.choice(len(share), n, p=share / share.sum())
        turns = self._rng.geometric(1 / mean[self.feature])
        self.turns = np.minimum(turns, truth.max_turns)

    def cut(self, sessions: int) -> None:
        """Keeps the first `sessions` of the block."""
        self.feature, self.turns = self.feature[:sessions], self.turns[:sessions].copy()

    def events(self, sessions: int) -> pa.RecordBatch:
        """The events of the block, session by session; `sessions` is how many there are in all."""
        truth, rng = self._truth, self._rng
        owner = np.repeat(np.arange(len(self.turns)), self.turns)
        n = len(owner)
        feature = self.feature[owner]
        model = self._models()[owner]
        who = self._people()
        noise = rng.standard_normal((5, n))
        new, output = self._tokens(feature, model, noise[0], noise[1])
        prompt = self._features("system_blocks")[feature] * truth.block_tokens
        inputs = prompt + self._running(new + output) - output
        ttft, per_token = self._speed(model, inputs, noise[2], noise[3])
        ts = self._times(sessions, feature, ttft + output * per_token, noise[4])
        failed, code, slow = self._trouble(ts)
        served = np.where(failed, 0, output)
        prices = self._models_of("input_usd")[model], self._models_of("output_usd")[model]
        cost = np.where(failed, 0.0, (inputs * prices[0] + served * prices[1]) / 1e6)
        columns = {
            **self._names(owner, feature, model),
            **{name: value.take(pa.array(owner)) for name, value in who.items()},
            "ts": pa.array(ts).cast(TIMESTAMP),
            "input_tokens": pa.array(inputs).cast(pa.uint32()),
            "output_tokens": pa.array(served).cast(pa.uint32()),
            "cached_input_tokens": pa.array(np.zeros(n, np.uint32)),
            "cache_write_tokens": pa.array(np.zeros(n, np.uint32)),
            "ttft_ms": pa.array(ttft * slow, mask=failed),
            "latency_ms": pa.array((ttft + served * per_token) * slow),
            "status": pa.array(["ok", "error"]).take(pa.array(failed.astype(np.int8))),
            "error_code": code,
            "cost_usd": pa.array(cost),
            "quality": self._quality(model, failed),
            "prefix_hashes": self._hashes(owner, feature, inputs),
            "block_tokens": pa.repeat(pa.scalar(truth.block_tokens, pa.uint32()), n),
        }
        return assemble(columns, n, EVENT_SCHEMA)

    def _features(self, name: str) -> np.ndarray:
        return np.array([getattr(f, name) for f in self._truth.features])

    def _models_of(self, name: str) -> np.ndarray:
        return np.array([getattr(m, name) for m in self._truth.models])

    def _models(self) -> np.ndarray:
        """The model number of each session, by its feature's shares."""
        models = [m.name for m in self._truth.models]
        shares = [[f.models.get(name, 0.0) for name in models] for f in self._truth.features]
        reached = np.cumsum(shares, axis=1)
        drawn = self._rng.random(_BLOCK_SESSIONS)[: len(self.turns), None]
        return (drawn >= reached[self.feature]).sum(axis=1).clip(max=len(models) - 1)

    def _people(self) -> dict[str, pa.Array]:
        truth, n = self._truth, len(self.turns)
        reached = np.cumsum(np.arange(1, truth.users + 1) ** -truth.zipf_exponent)
        drawn = self._rng.random((2, _BLOCK_SESSIONS))[:, :n]
        user = np.searchsorted(reached, drawn[0] * reached[-1])
        staging = (drawn[1] < truth.staging_share).astype(np.int8)
        users = pa.array([f"user-{i:05}" for i in range(truth.users)])
        numbers = pa.array(np.arange(self._first, self._first + n)).cast(pa.string())
        return {
            "session_id": pc.binary_join_element_wise("s", numbers, "-"),
            "user_id": users.take(pa.array(user)),
            "environment": pa.array(["production", "staging"]).take(pa.array(staging)),
        }

    def _names(
        self, owner: np.ndarray, feature: np.ndarray, model: np.ndarray
    ) -> dict[str, pa.Array]:
        truth = self._truth
        tools = sorted({tool for f in truth.features for tool in f.tools})
        of_feature = [[tools.index(t) for t in f.tools] or [-1] for f in truth.features]
        widest = max(map(len, of_feature))
        table = np.array([np.resize(row, widest) for row in of_feature])
        many = np.array([len(row) for row in of_feature])
        pick = (self._rng.random(len(owner)) * many[feature]).astype(np.int64)
        tool = table[feature, pick]
        turn = np.arange(len(owner)) - np.repeat(self._begin(), self.turns)
        parts = (f"g{truth.seed}", self._first + owner, turn)
        texts = [p if isinstance(p, str) else pa.array(p).cast(pa.string()) for p in parts]
        return {
            "event_id": pc.binary_join_element_wise(*texts, "-"),
            "provider": pa.array(self._models_of("provider").tolist()).take(pa.array(model)),
            "model": pa.array(self._models_of("name").tolist()).take(pa.array(model)),
            "app": pa.array(self._features("app").tolist()).take(pa.array(feature)),
            "feature": pa.array(self._features("name").tolist()).take(pa.array(feature)),
            "operation": pa.array(["chat", "tool"]).take(pa.array((tool >= 0).astype(np.int8))),
            "tool_name": pa.array(tools).take(pa.array(tool, mask=tool < 0)),
        }

    def _begin(self) -> np.ndarray:
        """The first event of each session."""
        return np.cumsum(self.turns) - self.turns

    def _running(self, values: np.ndarray) -> np.ndarray:
        """Sums within each session, up to and with each turn."""
        total = np.cumsum(values)
        begin = self._begin()
        return total - np.repeat(total[begin] - values[begin], self.turns)

    def _tokens(
        self, feature: np.ndarray, model: np.ndarray, first: np.ndarray, second: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """New input tokens and output tokens of each turn."""
        sigma = self._truth.token_sigma
        new = self._features("new_tokens")[feature] * np.exp(sigma * first)
        output = self._features("output_tokens")[feature] * self._models_of("verbosity")[model]
        output = output * np.exp(sigma * second)
        return (
            np.rint(new).clip(1, _MAX_NEW_TOKENS).astype(np.int64),
            np.rint(output).clip(1, _MAX_OUTPUT_TOKENS).astype(np.int64),
        )

    def _speed(
        self, model: np.ndarray, inputs: np.ndarray, first: np.ndarray, second: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Time to first token, and per output token, ms."""
        sigma = self._truth.time_sigma
        base, slope = self._models_of("ttft_ms"), self._models_of("ttft_ms_per_1k")
        ttft = (base[model] + slope[model] * inputs / 1000) * np.exp(sigma * first)
        per_token = self._models_of("ms_per_output_token")[model] * np.exp(sigma * second)
        return ttft, per_token

    def _times(
        self, sessions: int, feature: np.ndarray, latency_ms: np.ndarray, noise: np.ndarray
    ) -> np.ndarray:
        """When each turn is sent, µs: after the turn before is answered, and a pause."""
        number = np.arange(self._first, self._first + len(self.turns))
        within = mix(number + (self._truth.seed << 40)) / 2.0**64
        start = _time_us(self._truth, (number + within) / sessions)
        pause_ms = (
            1e3 * self._features("pause_s")[feature] * np.exp(self._truth.pause_sigma * noise)
        )
        taken_ms = latency_ms + pause_ms
        before = self._running(taken_ms) - taken_ms
        return np.repeat(start, self.turns) + (1e3 * before).astype(np.int64)

    def _trouble(self, ts: np.ndarray) -> tuple[np.ndarray, pa.Array, np.ndarray]:
        """Which requests fail, with what code, and how much slower they are than usual."""
        truth, anomaly = self._truth, self._truth.anomaly
        inside = (ts >= to_us(anomaly.start)) & (ts < to_us(anomaly.end))
        drawn = self._rng.random(len(ts))
        failed = drawn < np.where(inside, anomaly.error_rate, truth.error_rate)
        usual = (drawn >= truth.error_rate / 2).astype(np.int8)
        code = np.where(inside, 2, usual)
        codes = pa.array([*truth.error_codes, anomaly.error_code])
        slow = np.where(inside, anomaly.slowdown, 1.0)
        return failed, codes.take(pa.array(code, mask=~failed)), slow

    def _quality(self, model: np.ndarray, failed: np.ndarray) -> pa.Array:
        judged = (self._rng.random(len(model)) < self._truth.judged_share) & ~failed
        noise = self._truth.quality_sigma * self._rng.standard_normal(len(model))
        quality = (self._models_of("quality")[model] + noise).clip(0.0, 1.0)
        return pa.array(quality, mask=~judged)

    def _hashes(self, owner: np.ndarray, feature: np.ndarray, inputs: np.ndarray) -> pa.Array:
        """Hashes of the full blocks of each prompt: the feature's first, then the session's."""
        lengths = inputs // self._truth.block_tokens
        ends = offsets(lengths)
        place = np.arange(ends[-1]) - np.repeat(ends[:-1], lengths)
        seed = self._truth.seed << 40
        of_feature = mix(mix(np.arange(len(self._truth.features)) + seed))
        of_session = mix(self._first + np.arange(len(self.turns)) + seed + (1 << 36))
        shared = place < np.repeat(self._features("system_blocks")[feature], lengths)
        salt = np.where(
            shared, *(np.repeat(s, lengths) for s in (of_feature[feature], of_session[owner]))
        )
        content = self._reordered(place, feature, lengths)
        hashes = mix(salt + content.astype(np.uint64))
        stamped = self._stamped(place, owner, feature, lengths)
        hashes = np.where(stamped > 0, mix(hashes + stamped), hashes)
        return pa.ListArray.from_arrays(pa.array(ends), pa.array(hashes))

    def _reordered(self, place: np.ndarray, feature: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """The content that stands at each place: turned by one at each change of the order."""
        truth = self._truth.reordered
        if truth is None:
            return place
        turned = np.repeat(self._versions(truth.probability), lengths)
        listed = self._features("system_blocks")[feature] >= truth.stop
        inside = np.repeat(listed, lengths) & (place >= truth.first) & (place < truth.stop)
        moved = truth.first + (place - truth.first + turned) % (truth.stop - truth.first)
        return np.where(inside, moved, place)

    def _stamped(
        self, place: np.ndarray, owner: np.ndarray, feature: np.ndarray, lengths: np.ndarray
    ) -> np.ndarray:
        """What is added to each block's hash: at one place, the number of the timestamp."""
        truth = self._truth.timestamp
        if truth is None:
            return np.zeros(len(place), np.uint64)
        version = self._versions(truth.probability)
        number = np.where(version, ((self._first + owner + 1) << 12) + version, 0)
        has = self._features("system_blocks")[feature] > truth.block
        here = np.repeat(has, lengths) & (place == truth.block)
        return np.where(here, np.repeat(number, lengths), 0).astype(np.uint64)

    def _versions(self, probability: float) -> np.ndarray:
        """How often something has changed in the session, up to and with each turn."""
        changes = self._breaking.random(int(self.turns.sum())) < probability
        return self._running(changes.astype(np.int64))
