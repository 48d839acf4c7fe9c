"""The truth that a generated workload is made from: what analyses of it should find."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np


@dataclass(frozen=True, kw_only=True)
class ModelTruth:
    """A model: what it costs and how fast it is. Prices are list prices, USD a million tokens."""

    name: str
    provider: str
    input_usd: float
    output_usd: float
    #: Median time to first token: `ttft_ms + ttft_ms_per_1k * input_tokens / 1000`.
    ttft_ms: float
    ttft_ms_per_1k: float
    #: Median time of each output token: latency = ttft + output_tokens * this.
    ms_per_output_token: float
    #: Output tokens relative to other models on the same task.
    verbosity: float
    #: Mean of the judged quality.
    quality: float


@dataclass(frozen=True, kw_only=True)
class FeatureTruth:
    """A feature of an application: what its sessions look like."""

    app: str
    name: str
    #: Share of sessions.
    share: float
    #: Share of its sessions by model.
    models: dict[str, float]
    #: Blocks of the system prompt that all its sessions share.
    system_blocks: int
    #: Turns of a session are geometric with this mean, at most `Planted.max_turns`.
    mean_turns: float
    #: Medians of a turn's new input and output tokens (log-normal).
    new_tokens: float
    output_tokens: float
    #: Median pause between turns, seconds (log-normal).
    pause_s: float
    #: Tools that its agent calls; each turn is one call, or plain chat without.
    tools: tuple[str, ...] = ()


MODELS = (
    ModelTruth(
        name="gpt-4o",
        provider="openai",
        input_usd=2.5,
        output_usd=10.0,
        ttft_ms=420.0,
        ttft_ms_per_1k=45.0,
        ms_per_output_token=11.0,
        verbosity=1.0,
        quality=0.84,
    ),
    ModelTruth(
        name="gpt-4o-mini",
        provider="openai",
        input_usd=0.15,
        output_usd=0.6,
        ttft_ms=330.0,
        ttft_ms_per_1k=20.0,
        ms_per_output_token=7.0,
        verbosity=0.9,
        quality=0.74,
    ),
    ModelTruth(
        name="claude-sonnet-4-5",
        provider="anthropic",
        input_usd=3.0,
        output_usd=15.0,
        ttft_ms=900.0,
        ttft_ms_per_1k=60.0,
        ms_per_output_token=15.0,
        verbosity=1.3,
        quality=0.90,
    ),
    ModelTruth(
        name="claude-haiku-4-5",
        provider="anthropic",
        input_usd=1.0,
        output_usd=5.0,
        ttft_ms=400.0,
        ttft_ms_per_1k=30.0,
        ms_per_output_token=7.5,
        verbosity=1.1,
        quality=0.81,
    ),
)

FEATURES = (
    FeatureTruth(
        app="shop",
        name="search",
        share=0.42,
        models={"gpt-4o-mini": 0.8, "gpt-4o": 0.2},
        system_blocks=2,
        mean_turns=1.3,
        new_tokens=60,
        output_tokens=90,
        pause_s=40,
    ),
    FeatureTruth(
        app="shop",
        name="support-chat",
        share=0.22,
        models={"gpt-4o": 0.6, "claude-haiku-4-5": 0.4},
        system_blocks=4,
        mean_turns=4.0,
        new_tokens=120,
        output_tokens=220,
        pause_s=70,
    ),
    FeatureTruth(
        app="studio",
        name="summarize",
        share=0.13,
        models={"gpt-4o": 0.7, "claude-sonnet-4-5": 0.3},
        system_blocks=1,
        mean_turns=1.1,
        new_tokens=2600,
        output_tokens=350,
        pause_s=90,
    ),
    FeatureTruth(
        app="agents",
        name="code-review",
        share=0.08,
        models={"claude-sonnet-4-5": 0.7, "claude-haiku-4-5": 0.3},
        system_blocks=8,
        mean_turns=7.0,
        new_tokens=450,
        output_tokens=260,
        pause_s=15,
        tools=("read_file", "grep", "bash"),
    ),
    FeatureTruth(
        app="pipeline",
        name="classify",
        share=0.15,
        models={"claude-haiku-4-5": 1.0},
        system_blocks=2,
        mean_turns=1.0,
        new_tokens=300,
        output_tokens=8,
        pause_s=5,
    ),
)

#: Sessions by hour of the day, UTC, relative.
HOURS = (
    *(0.35, 0.28, 0.24, 0.22, 0.24, 0.32, 0.50, 0.78),
    *(1.10, 1.35, 1.45, 1.40, 1.30, 1.42, 1.50, 1.45),
    *(1.32, 1.15, 1.00, 0.90, 0.80, 0.68, 0.55, 0.44),
)
#: Sessions by day of the week, Monday first, relative.
WEEKDAYS = (1.00, 1.06, 1.05, 1.02, 0.94, 0.45, 0.40)


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """One hour in which traffic spikes, requests fail and the rest are slow."""

    start: datetime
    end: datetime
    #: Sessions that begin in it, relative to what the season says.
    traffic: float = 4.0
    #: Share of its requests that fail, with `error_code`.
    error_rate: float = 0.30
    error_code: str = "overloaded"
    #: Time to first token and per output token, relative to other hours.
    slowdown: float = 2.0


@dataclass(frozen=True, kw_only=True)
class TimestampTruth:
    """A block of the system prompt with something that changes: a time, an id of the request."""

    #: Its place; prompts whose system prompt is shorter have none.
    block: int
    #: How often it is another than in the session's request before.
    probability: float


@dataclass(frozen=True, kw_only=True)
class ReorderTruth:
    """Blocks of the system prompt that come in no fixed order: a list of tools."""

    #: The blocks from `first` on and before `stop`; system prompts that end earlier have none.
    first: int
    stop: int
    #: How often their order is another than in the session's request before.
    probability: float


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Everything a generated workload follows. Noise is log-normal around the medians given."""

    rows: int
    seed: int
    start: datetime
    days: int
    anomaly: Anomaly
    models: tuple[ModelTruth, ...] = MODELS
    features: tuple[FeatureTruth, ...] = FEATURES
    hours: tuple[float, ...] = HOURS
    weekdays: tuple[float, ...] = WEEKDAYS
    #: Sessions grow by this share a week, evenly.
    weekly_growth: float = 0.05
    #: Share of requests that fail outside the anomaly, half with each of these codes.
    error_rate: float = 0.005
    error_codes: tuple[str, str] = ("rate_limited", "timeout")
    #: User number r (from 0, `user-00000`) begins sessions in proportion to (r + 1)^-exponent.
    users: int = 2_000
    zipf_exponent: float = 1.1
    #: Share of sessions in `staging`; the others are in `production`.
    staging_share: float = 0.05
    #: Share of successful requests whose quality was judged, and the spread of the judgement.
    judged_share: float = 0.10
    quality_sigma: float = 0.05
    #: Standard deviations of the logarithms of token counts, times and pauses.
    token_sigma: float = 0.5
    time_sigma: float = 0.25
    pause_sigma: float = 0.6
    max_turns: int = 24
    #: Tokens per block of `prefix_hashes`.
    block_tokens: int = 512
    #: What breaks the prefixes of prompts, where anything does.
    timestamp: TimestampTruth | None = None
    reordered: ReorderTruth | None = None
    #: Nothing is cached today: `cached_input_tokens` and `cache_write_tokens` are 0.
    provider_cache: bool = field(default=False, init=False)

    def intensity(self) -> np.ndarray:
        """Expected sessions in each hour of the workload, relative: (24 * days,) float64."""
        hour = np.arange(24 * self.days)
        weekday = (self.start.weekday() + (self.start.hour + hour) // 24) % 7
        season = np.take(self.hours, (self.start.hour + hour) % 24)
        season = season * np.take(self.weekdays, weekday)
        trend = (1 + self.weekly_growth) ** (hour / (24 * 7))
        spike = np.ones(len(hour))
        spike[(self.anomaly.start - self.start) // timedelta(hours=1)] = self.anomaly.traffic
        return season * trend * spike


def plant(rows: int, seed: int, days: int, start: datetime) -> Planted:
    """The truth of a workload; the anomaly is at 15:00 UTC, three fifths into it."""
    first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = (first + timedelta(days=int(0.6 * days))).replace(hour=15)
    if day < first:
        day += timedelta(days=1)
    at = min(day, first + timedelta(days=days, hours=-1))
    return Planted(
        rows=rows,
        seed=seed,
        start=first,
        days=days,
        anomaly=Anomaly(start=at, end=at + timedelta(hours=1)),
    )
