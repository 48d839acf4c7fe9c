"""From a replica that can be had to the settings that it may run with.

Batch settings are vLLM's: sequences at once and tokens in a step. A replica whose KV cache does
not hold the longest request is left out, since that request could never be served.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netra.analysis.serving.search.configuration import Configuration
from netra.analysis.serving.search.trace import Trace
from netra.analysis.serving.settings import EngineSettings, Routing
from netra.analysis.serving.step_source import StepTimes
from netra.errors import InsufficientData

#: vLLM's `--max-num-seqs` and `--max-num-batched-tokens` that are tried.
SEQUENCES = (64, 128, 256)
BATCHED_TOKENS = (2048, 8192)
ROUTINGS: tuple[Routing, ...] = ("round-robin", "least-loaded")

#: vLLM's default `--block-size` on CUDA.
BLOCK_TOKENS = 16
#: vLLM's default `--gpu-memory-utilization`.
MEMORY_SHARE = 0.9


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings that are tried, all with all."""

    max_num_seqs: Sequence[int] = SEQUENCES
    max_num_batched_tokens: Sequence[int] = BATCHED_TOKENS
    routings: Sequence[Routing] = ROUTINGS
    memory_share: float = MEMORY_SHARE


@dataclass(frozen=True, kw_only=True, eq=False)
class Replica:
    """GPUs that serve the model together, with their step times and price."""

    gpu: str
    #: GPUs that share each layer, and engine ranks in lockstep.
    tensor: int = 1
    data: int = 1
    times: StepTimes
    #: Of all its GPUs.
    usd_per_hour: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Configured:
    """A replica's configurations, or why there is none."""

    configurations: tuple[Configuration, ...]
    #: Empty, or why the replica cannot serve the trace.
    refused: str = ""


def configurations_of(
    replica: Replica, trace: Trace, settings: Settings | None = None
) -> Configured:
    """All settings of a replica; they share one table of step times."""
    settings = settings or Settings()
    try:
        tokens = replica.times.kv_tokens(settings.memory_share)
    except InsufficientData as e:
        return Configured(configurations=(), refused=e.detail)
    if tokens // BLOCK_TOKENS * BLOCK_TOKENS < trace.kv_tokens_needed:
        return Configured(
            configurations=(),
            refused=f"the longest request needs {trace.kv_tokens_needed:,} KV tokens, and a rank "
            f"has room for {tokens:,}",
        )
    table = replica.times.tabulate(
        max_tokens=max(settings.max_num_batched_tokens), max_sequences=max(settings.max_num_seqs)
    )
    found = tuple(
        Configuration(
            gpu=replica.gpu,
            tensor=replica.tensor,
            data=replica.data,
            engine=EngineSettings(
                max_num_seqs=sequences,
                max_num_batched_tokens=batched,
                kv_blocks=tokens // BLOCK_TOKENS,
                block_tokens=BLOCK_TOKENS,
                ranks=replica.data,
            ),
            routing=routing,
            table=table,
            usd_per_hour=replica.usd_per_hour,
        )
        for sequences in settings.max_num_seqs
        for batched in settings.max_num_batched_tokens
        if batched >= sequences
        for routing in settings.routings
    )
    return Configured(configurations=found)
