"""Parameters of planning and of its backtest."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from netra.catalog.params.base import Params


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
