"""The prompts of a workload in order, with what is needed to say what a break costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netra.agents.base import Context, Inputs
from netra.agents.columns import Codes, Floats, Vocabulary, is_known, numbers, times
from netra.agents.model_codes import Model, ModelCodes
from netra.agents.prompt_replay import offsets_of, top_level
from netra.agents.prompt_sample import Prompts, PromptSample
from netra.agents.rates import RequestRates
from netra.analysis.block_ids import BlockIds
from netra.analysis.compiled import Int64s
from netra.catalog.params import PrefixBreakersParams
from netra.catalog.prices import RATE_NAMES
from netra.catalog.supply import SupplyCatalog
from netra.errors import InsufficientData, StageCancelled

_COLUMNS = {name: i for i, name in enumerate(RATE_NAMES)}


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """One row for each request whose prompt is kept, in the workload's order."""

    prompts: Prompts
    times_us: Int64s
    #: -1 where unknown.
    sessions: Codes
    models: Codes
    features: Codes
    model_names: list[Model]
    feature_names: list[str]
    #: A session on a model (each request without a session is its own), a feature on a model.
    streams: Codes
    wider: Codes
    #: NaN where unknown.
    block_tokens: Floats
    input_tokens: Floats
    #: USD per million tokens that a token costs more when it is written than when it is read
    #: from the cache; NaN where there is no price.
    premium: Floats
    #: Requests that were read, those without block hashes included.
    requests: int
    prices: dict[str, Any]

    def __len__(self) -> int:
        return len(self.times_us)


def read_prompts(
    inputs: Inputs,
    params: PrefixBreakersParams,
    context: Context,
    most_references: int,
) -> Traffic:
    """Reads all events that have block hashes.

    Raises:
        InsufficientData: none has.
        StageCancelled: the stage was asked to stop.
    """
    supply = inputs.supply or SupplyCatalog()
    day = params.price_date or (None if inputs.workload.anchored else supply.as_of)
    reader = _Reader(params, RequestRates(supply, day), most_references)
    for batch in inputs.events():
        if context.cancelled():
            raise StageCancelled
        reader.add(batch)
        done = reader.requests / inputs.workload.events if inputs.workload.events else 1.0
        context.progress(0.7 * min(done, 1.0), f"{reader.requests:,} requests read")
    return reader.traffic()


class _Reader:
    def __init__(
        self, params: PrefixBreakersParams, rates: RequestRates, most_references: int
    ) -> None:
        self._params = params
        self._rates = rates
        self._sample = PromptSample(most_references)
        self._streams, self._wider = BlockIds(), BlockIds()
        self._sessions, self._features = Vocabulary(limit=1 << 30), Vocabulary()
        self._models = ModelCodes()
        self._parts: dict[str, list[npt.NDArray[Any]]] = {}
        self._kept = 0
        self.requests = 0

    def add(self, batch: pa.RecordBatch) -> None:
        if self._params.top_level_only:
            batch = batch.filter(pa.array(top_level(batch)))
        self.requests += batch.num_rows
        batch = batch.filter(pa.array(is_known(batch, "prefix_hashes")))
        if not batch.num_rows:
            return
        sessions = self._sessions.encode(batch, "session_id")
        models, features = self._models.encode(batch), self._features.encode(batch, "feature")
        wider = _pairs(self._wider, features, models)
        rows = np.arange(self._kept, self._kept + batch.num_rows)
        # A request of no session follows nothing: it is compared with others of its feature.
        alone = np.where(sessions >= 0, sessions, -2 - rows)
        streams = _pairs(self._streams, alone, models)
        at, tokens = times(batch), numbers(batch, "input_tokens")
        lists = batch.column("prefix_hashes")
        blocks = np.asarray(lists.flatten(), np.uint64)
        self._kept += batch.num_rows
        self._sample.add(rows, alone.astype(np.int32), blocks, np.diff(offsets_of(lists)))
        rates = self._rates.of(self._models.names, models, at, tokens)
        columns: dict[str, npt.NDArray[Any]] = {
            "times_us": at,
            "sessions": sessions,
            "models": models,
            "features": features,
            "streams": streams,
            "wider": wider,
            "block_tokens": numbers(batch, "block_tokens"),
            "input_tokens": tokens,
            "premium": _premium(rates, self._params.ttl),
        }
        for name, values in columns.items():
            self._parts.setdefault(name, []).append(values)

    def traffic(self) -> Traffic:
        if not self._parts:
            raise InsufficientData("no event says which blocks its prompt has", ["prefix_hashes"])
        prompts = self._sample.prompts()
        kept = {n: np.concatenate(parts)[prompts.rows] for n, parts in self._parts.items()}
        return Traffic(
            prompts=prompts,
            **kept,
            model_names=self._models.names,
            feature_names=self._features.texts,
            requests=self.requests,
            prices=self._rates.as_json(),
        )


def _pairs(encoder: BlockIds, high: Codes, low: Codes) -> Codes:
    """A code for each pair of codes."""
    shift = np.int64(1 << 31)
    keys = (high.astype(np.int64) + shift) << 31 | (low.astype(np.int64) + 1)
    return encoder.encode(keys.astype(np.uint64))


def _premium(rates: Floats, ttl: str) -> Floats:
    """Writing, or plain input where writing has no price of its own, less reading."""
    paid = rates[:, _COLUMNS["input"]]
    for name in ("cache_write_5m", "cache_write_1h"):
        write = rates[:, _COLUMNS[name]]
        paid = np.where(np.isnan(write), paid, write)
        if ttl == name.removeprefix("cache_write_"):
            break
    return paid - rates[:, _COLUMNS["cache_read"]]
