"""Every request's cost under each prompt-cache policy, by replaying the prompts' blocks.

Requests come in the workload's order. A block is alive for a session on a model while the time
since its last use there is at most the policy's lifetime; a request reads the longest prefix of
alive blocks from the cache, at most its input, and writes all its other input tokens. Whoever
chooses a policy on some requests and verifies it on others takes the rows of these arrays.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from netra.agents.base import Context, Inputs
from netra.agents.columns import Codes, Floats, Mask, Vocabulary, numbers, times
from netra.agents.model_codes import Model, ModelCodes, model_name
from netra.agents.prompt_sample import PromptSample
from netra.agents.rates import RequestRates
from netra.analysis.block_ids import BlockIds
from netra.analysis.prompt_cost import prompt_costs
from netra.analysis.ttl_cache import NEVER, TtlCache, hit_tokens
from netra.catalog.params import PromptCacheParams
from netra.catalog.prices import RATE_NAMES
from netra.catalog.supply import SupplyCatalog
from netra.errors import InsufficientData, StageCancelled

_INPUT, _OUTPUT, _READ, _WRITE_5M, _WRITE_1H = range(len(RATE_NAMES))


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A way to use the provider's prompt cache."""

    name: str
    #: What a person calls it.
    label: str
    #: How long a block lives after its last use, microseconds; None: nothing is cached.
    lifetime_us: int | None
    #: The column of the rates at which input is paid that was not read from the cache.
    input_rate: int


POLICIES = (
    Policy(name="none", label="no prompt cache", lifetime_us=None, input_rate=_INPUT),
    Policy(name="ttl_5m", label="5-minute cache", lifetime_us=300_000_000, input_rate=_WRITE_5M),
    Policy(name="ttl_1h", label="1-hour cache", lifetime_us=3_600_000_000, input_rate=_WRITE_1H),
    Policy(
        name="never_expires",
        label="a cache that never expires, at the 5-minute write price",
        lifetime_us=NEVER,
        input_rate=_WRITE_5M,
    ),
)
#: Their places among the rows of `PromptRequests.cost_usd` and `hit_tokens`.
NONE, TTL_5M, TTL_1H, NEVER_EXPIRES = range(len(POLICIES))


@dataclass(frozen=True, kw_only=True)
class PromptRequests:
    """The requests whose cost is known without a cache and with one; one column each, in order."""

    #: The place of each among all events of the workload, ascending; shape (n,).
    rows: npt.NDArray[np.int64]
    times_us: npt.NDArray[np.int64]
    #: Codes, -1 where unknown; shape (n,).
    sessions: Codes
    features: Codes
    models: Codes
    #: What the codes of features and models stand for.
    feature_names: list[str]
    model_names: list[Model]
    #: Shape (n,).
    input_tokens: Floats
    output_tokens: Floats
    #: Input tokens read from the cache, and USD, by policy; shape (len(POLICIES), n). The cost is
    #: NaN where the model has no price for that policy (no 1-hour cache, say).
    hit_tokens: Floats
    cost_usd: Floats
    #: How many events were left out, by what is unknown of them.
    left_out: Counter[str]
    #: How many events the parameters exclude.
    excluded: int
    #: The prices that were used, for a report.
    prices: dict[str, Any]
    #: Who shares a cache, USD per million tokens (columns as in `catalog.prices.RATE_NAMES`),
    #: tokens of a block; shapes (n,), (n, 5), (n,). Only where prompts are kept.
    caches: Codes | None = None
    rates: Floats | None = None
    block_tokens: Floats | None = None

    def __len__(self) -> int:
        return len(self.times_us)


def replay(
    inputs: Inputs,
    params: PromptCacheParams,
    context: Context,
    keep: PromptSample | None = None,
) -> PromptRequests:
    """Replays all events.

    Args:
        keep: takes the prompts of all requests that the result has, by their place in it.

    Raises:
        InsufficientData: no event can be replayed and priced; names what is missing.
        StageCancelled: the stage was asked to stop.
    """
    supply = inputs.supply or SupplyCatalog()
    day = params.price_date or (None if inputs.workload.anchored else supply.as_of)
    replayer = _Replayer(params, RequestRates(supply, day), keep)
    read = 0
    for batch in inputs.events():
        if context.cancelled():
            raise StageCancelled
        replayer.add(batch)
        read += batch.num_rows
        done = read / inputs.workload.events if inputs.workload.events else 1.0
        context.progress(0.95 * min(done, 1.0), f"{read:,} requests replayed")
    return replayer.requests()


class _Replayer:
    def __init__(
        self, params: PromptCacheParams, rates: RequestRates, keep: PromptSample | None
    ) -> None:
        self._params = params
        self._sample = keep
        self._count = 0
        self._rates = rates
        lifetimes = [p.lifetime_us for p in POLICIES if p.lifetime_us is not None]
        self._cache = TtlCache(lifetimes)
        self._groups = BlockIds()
        self._sessions = Vocabulary(limit=1 << 30)
        self._features = Vocabulary()
        self._models = ModelCodes()
        self._left_out: Counter[str] = Counter()
        self._events = self._excluded = 0
        self._kept: dict[str, list[Any]] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Replays a batch, and keeps the requests that can be priced."""
        rows = np.arange(self._events, self._events + batch.num_rows)
        self._events += batch.num_rows
        if self._params.top_level_only:
            wanted = top_level(batch)
            self._excluded += batch.num_rows - int(wanted.sum())
            rows, batch = rows[wanted], batch.filter(pa.array(wanted))
        if not batch.num_rows:
            return
        at = times(batch)
        sessions, models = self._sessions.encode(batch, "session_id"), self._models.encode(batch)
        lists = batch.column("prefix_hashes")
        tokens = {name: numbers(batch, name) for name in ("input_tokens", "output_tokens")}
        block_tokens = numbers(batch, "block_tokens")
        caches = self._share(sessions, models)
        alive = self._cache.extend(
            at, caches, np.asarray(lists.flatten(), np.uint64), offsets_of(lists)
        )
        rates = self._rates.of(self._models.names, models, at, tokens["input_tokens"])
        no_blocks = np.diff(offsets_of(lists)) == 0
        keep = self._known(no_blocks, block_tokens, tokens, models, rates)
        of_cache = hit_tokens(alive, block_tokens, tokens["input_tokens"])
        hits = np.concatenate([np.zeros((1, batch.num_rows)), of_cache])
        extra: dict[str, npt.NDArray[Any]] = {}
        if self._sample is not None:
            self._sample_prompts(self._sample, lists, keep, sessions, caches)
            extra = {"caches": caches, "rates": rates.T, "block_tokens": block_tokens}
        self._keep(
            keep,
            rows=rows,
            times_us=at,
            sessions=sessions,
            features=self._features.encode(batch, "feature"),
            models=models,
            **tokens,
            hit_tokens=hits,
            cost_usd=_costs(tokens, hits, rates),
            **extra,
        )

    def requests(self) -> PromptRequests:
        """All that was kept."""
        if not self._kept or not sum(len(part) for part in self._kept["times_us"]):
            raise InsufficientData(*self._why_none())
        kept = {name: np.concatenate(parts, axis=-1) for name, parts in self._kept.items()}
        if "rates" in kept:
            kept["rates"] = kept["rates"].T
        return PromptRequests(
            **kept,
            feature_names=self._features.texts,
            model_names=self._models.names,
            left_out=self._left_out,
            excluded=self._excluded,
            prices=self._rates.as_json(),
        )

    def _sample_prompts(
        self,
        sample: PromptSample,
        lists: pa.ListArray,
        keep: Mask,
        sessions: Codes,
        caches: Codes,
    ) -> None:
        kept = lists.filter(pa.array(keep))
        rows = np.arange(self._count, self._count + len(kept))
        self._count += len(kept)
        # Requests of no session go with those that they share a cache with.
        together = np.where(sessions >= 0, sessions, -2 - caches)[keep].astype(np.int32)
        blocks = np.asarray(kept.flatten(), np.uint64)
        sample.add(rows, together, blocks, np.diff(offsets_of(kept)))

    def _why_none(self) -> tuple[str, list[str]]:
        if not self._events:
            return "the workload has no events", ["events"]
        if not self._left_out:
            return "no event is known to be top-level", ["attributes.subagent = false"]
        return "no event can be replayed and priced", [w for w, _ in self._left_out.most_common()]

    def _share(self, sessions: Codes, models: Codes) -> Codes:
        """The group of requests that share a cache, for each request."""
        if self._params.share == "model":
            sessions = np.full_like(sessions, -1)
        keys = (sessions.astype(np.int64) + 1) << 32 | (models.astype(np.int64) + 1)
        return self._groups.encode(keys.astype(np.uint64))

    def _known(
        self,
        no_blocks: Mask,
        block_tokens: Floats,
        tokens: dict[str, Floats],
        models: Codes,
        rates: Floats,
    ) -> Mask:
        """The requests of which all is known; counts the others by the first thing that is not."""
        keep = np.ones(len(models), dtype=bool)
        # A prompt that is shorter than a block has none; of a longer one they are unknown.
        unhashed = no_blocks & ~(tokens["input_tokens"] < block_tokens)
        unknown = {
            "prefix_hashes": unhashed,
            "block_tokens": np.isnan(block_tokens),
            "input_tokens": np.isnan(tokens["input_tokens"]),
            "output_tokens": np.isnan(tokens["output_tokens"]),
            "model": models < 0,
        }
        for what, rows in unknown.items():
            self._leave_out(what, keep & rows)
            keep &= ~rows
        for what, columns in {"price": (_INPUT, _OUTPUT), "cache_read price": (_READ,)}.items():
            rows = keep & np.isnan(rates[:, columns]).any(axis=1)
            for code in np.unique(models[rows]).tolist():
                name = model_name(self._models.names[code])
                self._leave_out(f"{what} of {name}", rows & (models == code))
            keep &= ~rows
        return keep

    def _leave_out(self, what: str, rows: Mask) -> None:
        if count := int(rows.sum()):
            self._left_out[what] += count

    def _keep(self, wanted: Mask, /, **columns: npt.NDArray[Any]) -> None:
        for name, values in columns.items():
            self._kept.setdefault(name, []).append(values[..., wanted])


def top_level(batch: pa.RecordBatch) -> Mask:
    """The events that are not an agent's sub-agent's; shape (rows,)."""
    subagent = pc.map_lookup(batch.column("attributes"), pa.scalar("subagent"), "first")
    return np.asarray(pc.fill_null(pc.equal(subagent, "false"), False), dtype=bool)


def offsets_of(lists: pa.ListArray) -> npt.NDArray[np.int64]:
    """Where each list begins among the flattened values; shape (rows + 1,)."""
    offsets = np.zeros(len(lists) + 1, np.int64)
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    np.cumsum(np.asarray(lengths, np.int64), out=offsets[1:])
    return offsets


def _costs(tokens: dict[str, Floats], hits: Floats, rates: Floats) -> Floats:
    """USD of each request by policy; shape (len(POLICIES), n)."""
    costs = np.empty_like(hits)
    for i, policy in enumerate(POLICIES):
        paid = rates[:, policy.input_rate]
        if policy.input_rate == _WRITE_5M:
            # Where writing has no price of its own it costs what input costs.
            paid = np.where(np.isnan(paid), rates[:, _INPUT], paid)
        costs[i] = prompt_costs(
            **tokens,
            hit_tokens=hits[i],
            input_rate=paid,
            # Without a cache nothing is read, whatever reading would cost.
            read_rate=rates[:, _READ if policy.lifetime_us is not None else _INPUT],
            output_rate=rates[:, _OUTPUT],
        )
    return costs
