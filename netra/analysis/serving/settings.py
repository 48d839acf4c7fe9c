"""What a simulated engine and a fleet of them are set to, in vLLM's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Routing = Literal["round-robin", "least-loaded", "random", "prefix-aware"]


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """One replica. Limits hold for each of its ranks, as vLLM's do."""

    #: Sequences that run at once (`--max-num-seqs`).
    max_num_seqs: int
    #: Tokens in one step (`--max-num-batched-tokens`).
    max_num_batched_tokens: int
    #: Blocks in the KV cache.
    kv_blocks: int
    #: Tokens in one block (`--block-size`).
    block_tokens: int = 16
    #: Whether a step is scheduled while the one before it runs (`--async-scheduling`).
    async_scheduling: bool = True
    #: Whether a preempted sequence finds again what nobody has overwritten meanwhile
    #: (`--enable-prefix-caching`).
    prefix_caching: bool = True
    #: Data-parallel ranks, which take their steps in lockstep (`--data-parallel-size`).
    ranks: int = 1

    def __post_init__(self) -> None:
        """Raises:
        ValueError: a limit is below one, or a step has no room for one token a sequence.
        """
        names = ("max_num_seqs", "max_num_batched_tokens", "kv_blocks", "block_tokens", "ranks")
        for name in names:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, not at least 1")
        if self.max_num_batched_tokens < self.max_num_seqs:
            raise ValueError(
                f"max_num_batched_tokens ({self.max_num_batched_tokens}) is below "
                f"max_num_seqs ({self.max_num_seqs}): a step could not hold one token of each"
            )

    @property
    def kv_tokens(self) -> int:
        """Tokens in the KV cache of one rank."""
        return self.kv_blocks * self.block_tokens


@dataclass(frozen=True, kw_only=True)
class Autoscaling:
    """Replicas by unfinished requests, as Kubernetes' horizontal autoscaler does it.

    Every interval it wants ceil(unfinished / target) replicas. More are switched on at once, and
    serve once they have started; of more than are wanted it keeps as many as were wanted at any
    time within the cooldown. Replicas that are switched off finish what they have.
    """

    #: Replicas that are always there; the most are the fleet's.
    least: int
    #: Unfinished requests for each replica.
    target: float
    #: From the decision to a replica that serves: a node, an image, weights.
    startup_s: float
    #: Between two decisions (`--horizontal-pod-autoscaler-sync-period`).
    interval_s: float = 15.0
    #: `behavior.scaleDown.stabilizationWindowSeconds`.
    cooldown_s: float = 300.0

    def __post_init__(self) -> None:
        """Raises:
        ValueError: there is no replica at least, or a time or the target makes no sense.
        """
        if self.least < 1:
            raise ValueError(f"{self.least} replicas at least")
        if not (self.target > 0 and self.interval_s > 0):
            raise ValueError(f"a target of {self.target}, every {self.interval_s} s")
        if not (self.startup_s >= 0 and self.cooldown_s >= 0):
            raise ValueError(f"starts within {self.startup_s} s, cools for {self.cooldown_s} s")


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Several replicas of one engine behind a router."""

    engine: EngineSettings
    #: How many there are; with autoscaling, the most.
    replicas: int = 1
    autoscaling: Autoscaling | None = None
    #: To the next in turn; to the one with the fewest unfinished requests; at random; or to the
    #: rank whose cache has most of the prompt, which needs block hashes.
    routing: Routing = "round-robin"
    #: Of the random routing; the others need none.
    seed: int = 0
    #: How many unfinished requests more than the least loaded rank the one with the longest prefix
    #: may have, or else the least loaded is taken (AIBrix's
    #: `AIBRIX_PREFIX_CACHE_POD_RUNNING_REQUEST_IMBALANCE_ABS_COUNT`).
    prefix_margin: int = 8
    #: The least share of a prompt for which the longest prefix counts; where no cache has as much,
    #: the least loaded rank is taken (SGLang's `--cache-threshold`).
    prefix_share: float = 0.3

    def __post_init__(self) -> None:
        """Raises:
        ValueError: there is no replica, or fewer than autoscaling keeps, or the margin or the
            share makes no sense.
        """
        if self.replicas < 1:
            raise ValueError(f"{self.replicas} replicas")
        if self.prefix_margin < 0:
            raise ValueError(f"a margin of {self.prefix_margin} requests")
        if not 0 <= self.prefix_share <= 1:
            raise ValueError(f"a share of {self.prefix_share} of a prompt")
        if self.autoscaling and self.autoscaling.least > self.replicas:
            raise ValueError(f"{self.replicas} replicas at most, {self.autoscaling.least} at least")
