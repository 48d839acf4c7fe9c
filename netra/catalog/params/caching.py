"""Parameters of the agents of prefix and prompt caching."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta

from netra.catalog.params.base import Params
from netra.errors import InvalidInput, Problem

_Capacity = Annotated[int, Meta(ge=1)]

#: Eviction policies that the caching agent knows; `belady` is the bound of all others.
CACHE_POLICIES = ("lru", "lfu", "sieve", "s3fifo", "belady")


class CachingParams(Params, frozen=True, kw_only=True):
    #: Cache sizes, blocks; the unlimited one is always there.
    capacities: Annotated[tuple[_Capacity, ...], Meta(max_length=200)] | _Capacity = (
        *(1_000, 10_000, 30_000, 50_000, 100_000),
    )
    #: Eviction policies.
    policies: tuple[str, ...] | str = CACHE_POLICIES
    #: The model whose KV memory a capacity is given in, e.g. `meta-llama/Llama-3.1-8B`.
    model: str | None = None
    #: Bytes of one number in the KV cache: 2 with 16 bits, 1 with 8.
    kv_number_bytes: Annotated[float, Meta(gt=0, le=8)] = 2.0
    #: Points of the curve.
    points: Annotated[int, Meta(ge=2, le=2_000)] = 200

    def check(self, where: str) -> None:
        asked = (self.policies,) if isinstance(self.policies, str) else self.policies
        known = "one of: " + ", ".join(CACHE_POLICIES)
        wrong = [
            Problem(where=f"{where}.policies", problem="unknown policy", got=p, expected=known)
            for p in asked
            if p not in CACHE_POLICIES
        ]
        if wrong:
            raise InvalidInput("there is no such eviction policy", wrong)


class PromptCacheParams(Params, frozen=True, kw_only=True):
    #: Only requests with the attribute `subagent` = `false`.
    top_level_only: bool = False
    #: Who shares cached blocks: the requests of a session on a model (those without a session:
    #: all on the model), or all on the model.
    share: Literal["session", "model"] = "session"
    #: The day whose prices hold for all requests; by default each one's own day, or today where
    #: the trace has relative times.
    price_date: date | None = None
    #: Random halves of the sessions that a choice of lifetimes is learned and verified on.
    splits: Annotated[int, Meta(ge=1, le=500)] = 50
    #: The least saving worth a lifetime of its own for a model or feature, as a share of the cost.
    min_gain_share: Annotated[float, Meta(ge=0, le=1)] = 0.01
    #: Decides which sessions are in which half; None: the stage's own.
    seed: Annotated[int, Meta(ge=0)] | None = None
    #: Rows of each breakdown; the rest is added up in one more.
    rows: Annotated[int, Meta(ge=1, le=100)] = 30


class PrefixBreakersParams(Params, frozen=True, kw_only=True):
    #: Only requests with the attribute `subagent` = `false`.
    top_level_only: bool = False
    #: How long prompts live in the cache, and at which price they are written.
    ttl: Literal["5m", "1h"] = "5m"
    #: Compare the first prompt of a session with those of other sessions of its feature and model.
    across_sessions: bool = True
    #: The day whose prices hold for all requests; by default each one's own day, or today where
    #: the trace has relative times.
    price_date: date | None = None
    #: Rows of each breakdown.
    rows: Annotated[int, Meta(ge=1, le=100)] = 20
