"""The parameters that each agent takes, as msgspec structs; the API shows them as JSON schema."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from netra.errors import InvalidInput, Problem


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No parameters."""

    def check(self, where: str) -> None:
        """Checks what a type cannot say. Raises InvalidInput naming `where`."""


class NoopParams(Params, frozen=True, kw_only=True):
    #: How long to sleep in all, seconds.
    sleep_s: Annotated[float, Meta(ge=0)] = 0.0
    #: How many times to report progress meanwhile.
    ticks: Annotated[int, Meta(ge=0)] = 0
    #: Fail on this many attempts before succeeding.
    fail_attempts: Annotated[int, Meta(ge=0)] = 0
    #: Hold the interpreter lock, in compiled code, for this long, seconds.
    hold_gil_s: Annotated[float, Meta(ge=0)] = 0.0
    #: Fan out into this many children and one merge stage.
    fan_out: Annotated[int, Meta(ge=0, le=1000)] = 0
    #: Size of the result's payload, bytes.
    result_bytes: Annotated[int, Meta(ge=0, le=250_000)] = 0


class ProfileParams(Params, frozen=True, kw_only=True):
    #: Rows of each usage table; the rest is added up in one more.
    rows: Annotated[int, Meta(ge=1, le=100)] = 30


_Capacity = Annotated[int, Meta(ge=1)]

#: Eviction policies that the caching agent knows.
CACHE_POLICIES = ("lru",)


class CachingParams(Params, frozen=True, kw_only=True):
    #: Cache sizes, blocks; the unlimited one is always there.
    capacities: Annotated[tuple[_Capacity, ...], Meta(max_length=200)] | _Capacity = (
        *(1_000, 10_000, 30_000, 50_000, 100_000),
    )
    #: Eviction policies.
    policies: tuple[str, ...] | str = CACHE_POLICIES
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
    #: Rows of each breakdown; the rest is added up in one more.
    rows: Annotated[int, Meta(ge=1, le=100)] = 30


class PlanParams(Params, frozen=True, kw_only=True):
    #: The share of the traffic that is chosen on; the rest is kept for the backtest.
    fit_share: Annotated[float, Meta(ge=0.1, le=0.9)] = 0.7
    #: How to split: by time, by session, or as the traffic's times suggest.
    split: Literal["auto", "time", "session"] = "auto"
    #: Which prompt caching runs today, where the trace does not say.
    baseline: Literal["auto", "none", "ttl_5m", "ttl_1h"] = "auto"
    #: The least saving worth a policy of its own for a model or feature, as a share of the cost.
    min_gain_share: Annotated[float, Meta(ge=0, le=1)] = 0.01
    #: A prefix cache of so many blocks, instead of the knee of its curve.
    capacity_blocks: Annotated[int, Meta(ge=1)] | None = None
    #: Decides which sessions are kept for the backtest: the same on every run.
    seed: Annotated[int, Meta(ge=0)] = 0


class BacktestParams(Params, frozen=True, kw_only=True):
    #: Draws of the block bootstrap.
    resamples: Annotated[int, Meta(ge=200, le=100_000)] = 2000
    #: Level of the intervals.
    level: Annotated[float, Meta(gt=0.5, lt=1)] = 0.9
    #: Seed of the draws; None: the stage's own.
    seed: Annotated[int, Meta(ge=0)] | None = None
