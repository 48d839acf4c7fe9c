"""Fleets as JSON, and back: what one stage found, another one serves again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netra.analysis.serving.search.configuration import Candidate, Configuration
from netra.analysis.serving.search.evaluation import Evaluation
from netra.analysis.serving.search.limits import Limit


def fleet_json(candidate: Candidate, memory_share: float, max_model_len: int) -> dict[str, Any]:
    """`{"gpu", "replicas", "parallelism", "settings"}`."""
    c = candidate.configuration
    return {
        "gpu": c.gpu,
        "replicas": candidate.replicas,
        "parallelism": {"tensor": c.tensor, "data": c.data, "gpus_per_replica": c.gpus},
        "settings": {
            "max_num_seqs": c.engine.max_num_seqs,
            "max_num_batched_tokens": c.engine.max_num_batched_tokens,
            "gpu_memory_utilization": memory_share,
            "block_size": c.engine.block_tokens,
            "max_model_len": max_model_len,
            "kv_cache_tokens_per_rank": c.engine.kv_tokens,
            "routing": c.routing,
        },
    }


def evaluated_json(
    evaluation: Evaluation, memory_share: float, max_model_len: int
) -> dict[str, Any]:
    """A fleet with what it costs and reaches."""
    candidate = evaluation.candidate
    return {
        **fleet_json(candidate, memory_share, max_model_len),
        "gpus": candidate.gpus,
        "cost_usd_per_hour": candidate.usd_per_hour,
        "percentiles": percentiles_ms(evaluation),
        "share_of_limit": evaluation.stress,
        "holds": evaluation.holds,
    }


def percentiles_ms(evaluation: Evaluation) -> dict[str, float | None]:
    """`{"ttft_p95_ms": …}`; None where no request has a second token."""
    return {
        f"{name}_ms": None if seconds != seconds else 1e3 * seconds
        for name, seconds in evaluation.percentiles.items()
    }


def limit_name(limit: Limit) -> str:
    return f"{limit.name}_ms"


def key_of(candidate: Candidate) -> list[Any]:
    """What tells a fleet from all others, as JSON."""
    c = candidate.configuration
    engine = c.engine
    return [
        *(c.gpu, c.tensor, c.data, engine.max_num_seqs, engine.max_num_batched_tokens),
        *(c.routing, candidate.replicas),
    ]


def candidate_of(
    key: Sequence[Any], configurations: Mapping[tuple[Any, ...], Configuration]
) -> Candidate:
    """The fleet of a key, of the configurations by the rest of theirs."""
    return Candidate(configuration=configurations[tuple(key[:-1])], replicas=int(key[-1]))


def by_key(configurations: Sequence[Configuration]) -> dict[tuple[Any, ...], Configuration]:
    return {tuple(key_of(Candidate(configuration=c, replicas=1))[:-1]): c for c in configurations}
