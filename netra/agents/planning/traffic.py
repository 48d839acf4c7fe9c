"""All events of a workload with what each costs under each prompt-cache policy, in one pass."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netra.agents.base import Context, Inputs
from netra.agents.columns import (
    Codes,
    Floats,
    Mask,
    Vocabulary,
    concatenate,
    is_known,
    numbers,
    times,
)
from netra.agents.model_codes import Model, ModelCodes, model_name
from netra.agents.prices import ListPrices
from netra.agents.prompt_replay import (
    NONE,
    POLICIES,
    TTL_1H,
    TTL_5M,
    PromptRequests,
    replay,
    top_level,
)
from netra.agents.selection import selected, selections
from netra.catalog.params import PromptCacheParams
from netra.catalog.supply import SupplyCatalog
from netra.errors import InsufficientData
from netra.schemas.goal import Goal

#: The policies that can be had, in the order of the columns of `PricedTraffic.costs`.
OFFERED = (POLICIES[NONE], POLICIES[TTL_5M], POLICIES[TTL_1H])
POLICY_NAMES = tuple(p.name for p in OFFERED)


@dataclass(frozen=True, kw_only=True)
class Names:
    """A text column: each event's code, -1 where unknown, and what the codes stand for."""

    codes: Codes
    texts: list[str]


@dataclass(frozen=True, kw_only=True)
class PricedTraffic:
    """One row for each event, in the workload's order; money is USD at list prices."""

    times_us: npt.NDArray[np.int64]
    sessions: Names
    models: Names
    features: Names
    #: What the goal's selections select.
    scopes: list[tuple[dict[str, Any], Mask]]
    #: The cost with the caching that the trace records, or with none where it records none; NaN
    #: where it cannot be known. Shape (n,).
    recorded: Floats
    #: Where the trace says how many tokens were read from the cache.
    cached_known: Mask
    #: What was paid, NaN where the trace does not say.
    paid: Floats
    #: Requests whose caching can be chosen: prompts known, and cache writes have a price.
    eligible: Mask
    #: The cost under each of `OFFERED`; equal to `recorded` where there is no choice. (n, 3).
    costs: Floats
    #: Events with block hashes, which a prefix cache of one's own could use.
    hashed: Mask
    #: Tokens per block where all events agree on it.
    block_tokens: float | None
    #: Why requests are not eligible: what is unknown, and of how many.
    left_out: dict[str, int]
    prices: dict[str, Any]

    def __len__(self) -> int:
        return len(self.times_us)

    @property
    def priced(self) -> Mask:
        """Events whose cost is known."""
        return ~np.isnan(self.recorded)

    def scope(self, where: Mapping[str, Any]) -> Mask:
        """The events of a selection of the goal; all events for an empty one."""
        if not where:
            return np.ones(len(self), dtype=bool)
        return next(mask for w, mask in self.scopes if w == dict(where))


def resolved_goal(inputs: Inputs) -> Goal:
    """The goal with names as triage found them in the workload; else as it came."""
    triaged = inputs.upstream.get("triage", {}).get("goal")
    return msgspec.convert(triaged, Goal) if triaged else inputs.goal


def considered(inputs: Inputs) -> Inputs:
    """The inputs with only those events that the job's parameters do not exclude."""
    if not _replay_params(inputs).top_level_only:
        return inputs

    def events() -> Iterator[pa.RecordBatch]:
        for batch in inputs.events():
            yield batch.filter(pa.array(top_level(batch)))

    return replace(inputs, events=events)


def read_traffic(inputs: Inputs, context: Context) -> PricedTraffic:
    """Reads and prices all events of `considered(inputs)`.

    Raises:
        InsufficientData: the workload has no events.
        StageCancelled: the stage was asked to stop.
    """
    params = _replay_params(inputs)
    supply = inputs.supply or SupplyCatalog()
    if params.price_date:
        supply = copy.copy(supply)
        supply.as_of = params.price_date
    anchored = inputs.workload.anchored and not params.price_date
    reader = _Reader(selections(resolved_goal(inputs)), ListPrices(supply, anchored))

    def observed() -> Iterator[pa.RecordBatch]:
        for batch in inputs.events():
            reader.add(batch)
            yield batch

    all_levels = msgspec.structs.replace(params, top_level_only=False)
    try:
        requests = replay(replace(inputs, events=observed), all_levels, context)
    except InsufficientData as e:
        return reader.traffic(None, supply, {need: reader.events for need in e.needs})
    return reader.traffic(requests, supply, dict(requests.left_out))


def _replay_params(inputs: Inputs) -> PromptCacheParams:
    return msgspec.convert(dict(inputs.job_params.get("prompt-cache", {})), PromptCacheParams)


class _Reader:
    """Keeps, of each event, what `PricedTraffic` holds."""

    def __init__(self, wheres: Sequence[dict[str, Any]], prices: ListPrices) -> None:
        self.events = 0
        self._wheres = wheres
        self._prices = prices
        self._sessions, self._features = Vocabulary(limit=1 << 30), Vocabulary()
        self._models = ModelCodes()
        self._block_tokens: set[float] = set()
        self._parts: dict[str, list[npt.NDArray[Any]]] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        self.events += batch.num_rows
        hashed = is_known(batch, "prefix_hashes")
        sizes = numbers(batch, "block_tokens")[hashed]
        self._block_tokens.update(np.unique(sizes[~np.isnan(sizes)]).tolist())
        columns: dict[str, npt.NDArray[Any]] = {
            "times_us": times(batch),
            "sessions": self._sessions.encode(batch, "session_id"),
            "models": self._models.encode(batch),
            "features": self._features.encode(batch, "feature"),
            "recorded": self._prices.costs(batch),
            "cached_known": ~np.isnan(numbers(batch, "cached_input_tokens")),
            "paid": numbers(batch, "cost_usd"),
            "hashed": hashed,
        }
        for i, where in enumerate(self._wheres):
            columns[f"scope {i}"] = selected(batch, where)
        for name, values in columns.items():
            self._parts.setdefault(name, []).append(values)

    def traffic(
        self, requests: PromptRequests | None, supply: SupplyCatalog, left_out: dict[str, int]
    ) -> PricedTraffic:
        """What was read, joined with what was replayed.

        Raises:
            InsufficientData: there are no events.
        """
        if not self.events:
            raise InsufficientData("the workload has no events", ["events"])
        kept = {n: concatenate(p, p[0].dtype) for n, p in self._parts.items()}
        count = self.events
        recorded = kept["recorded"]
        costs = np.repeat(recorded[:, None], len(OFFERED), axis=1)
        eligible = np.zeros(count, dtype=bool)
        if requests is not None:
            chosen, refused = _explicit(requests, supply)
            left_out = left_out | refused
            rows = requests.rows[chosen]
            eligible[rows] = True
            costs[rows] = _filled(requests.cost_usd[: len(OFFERED), chosen].T)
        return PricedTraffic(
            times_us=kept["times_us"],
            sessions=Names(codes=kept["sessions"], texts=self._sessions.texts),
            models=Names(codes=kept["models"], texts=[model_name(m) for m in self._models.names]),
            features=Names(codes=kept["features"], texts=self._features.texts),
            scopes=[(dict(w), kept[f"scope {i}"]) for i, w in enumerate(self._wheres)],
            recorded=recorded,
            cached_known=kept["cached_known"],
            paid=kept["paid"],
            eligible=eligible,
            costs=costs,
            hashed=kept["hashed"],
            block_tokens=next(iter(self._block_tokens)) if len(self._block_tokens) == 1 else None,
            left_out=left_out,
            prices=self._prices.as_json(),
        )


def _explicit(requests: PromptRequests, supply: SupplyCatalog) -> tuple[Mask, dict[str, int]]:
    """The requests whose model is cached on request: only there is something to choose.

    A model without a price for cache writes is cached by its provider's own rules, or not at all.
    """
    offered = np.array([_has_write_price(m, supply) for m in requests.model_names], dtype=bool)
    chosen = offered[requests.models]
    refused: dict[str, int] = {}
    for code in np.unique(requests.models[~chosen]).tolist():
        name = model_name(requests.model_names[code])
        refused[f"a price for cache writes of {name}"] = int((requests.models == code).sum())
    return chosen, refused


def _has_write_price(model: Model, supply: SupplyCatalog) -> bool:
    price = supply.price(model[1], provider=model[0])
    if price is None:
        return False
    rates = price.tiers[0].rates
    return rates.cache_write_5m is not None or rates.cache_write_1h is not None


def _filled(costs: Floats) -> Floats:
    """Where a model has no 1-hour cache, a policy of 1 hour gives it what it has: 5 minutes."""
    last = costs[:, -1]
    filled = costs.copy()
    filled[:, -1] = np.where(np.isnan(last), costs[:, -2], last)
    return filled
