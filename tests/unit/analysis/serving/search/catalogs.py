"""Small random catalogs of replicas with traces, and the search that looks at everything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np

from netra.analysis.compiled import Int64s
from netra.analysis.serving.prefixes import Prefixes, prefixes_of
from netra.analysis.serving.search.configuration import Configuration, candidates_of, cost_key
from netra.analysis.serving.search.evaluation import Evaluation, evaluate
from netra.analysis.serving.search.fleet_search import Scope
from netra.analysis.serving.search.limits import Limit, Metric
from netra.analysis.serving.search.trace import Trace
from netra.analysis.serving.settings import EngineSettings, Routing
from netra.analysis.serving.step_time import StepTable
from tests.unit.analysis.serving.cases import random_hashes, random_table

#: Tokens of a block with a hash.
_HASHED_TOKENS = 4


@dataclass(frozen=True, kw_only=True)
class Catalog:
    trace: Trace
    configurations: list[Configuration]
    limits: list[Limit]
    scope: Scope


def random_trace(rng: np.random.Generator) -> Trace:
    n = int(rng.integers(1, 60))
    gaps = rng.exponential(rng.choice([0.0, 0.3, 2.0, 20.0]), n)
    prompt = rng.integers(1, rng.integers(2, 60), n)
    return Trace(
        arrival_s=1e3 * rng.uniform() + np.cumsum(gaps * rng.integers(0, 2, n)),
        input_tokens=prompt,
        output_tokens=rng.integers(1, rng.integers(2, 40), n),
        prefixes=_random_prefixes(rng, prompt) if rng.integers(2) else None,
    )


def _random_prefixes(rng: np.random.Generator, prompt: Int64s) -> Prefixes:
    hashes = random_hashes(rng, prompt, _HASHED_TOKENS)
    return prefixes_of(
        np.cumsum([0, *map(len, hashes)]),
        np.array([one for blocks in hashes for one in blocks], np.uint64),
        prompt,
        block_tokens=_HASHED_TOKENS,
    )


def random_configuration(rng: np.random.Generator, trace: Trace) -> Configuration:
    slots = int(rng.integers(1, 9))
    block = int(rng.choice([1, 2, 4] if trace.prefixes else [1, 2, 4, 16]))
    least_blocks = -(-trace.kv_tokens_needed // block)
    engine = EngineSettings(
        max_num_seqs=slots,
        max_num_batched_tokens=slots + int(rng.integers(0, 40)),
        kv_blocks=least_blocks + int(rng.integers(0, 1 + least_blocks * rng.choice([0, 1, 8]))),
        block_tokens=block,
        async_scheduling=bool(rng.integers(2)),
        ranks=int(rng.choice([1, 1, 2])),
    )
    table = random_table(rng, engine.max_num_batched_tokens, slots)
    if rng.integers(4) == 0:
        # Measured profiles need not rise with the batch.
        table = StepTable(
            tokens_s=rng.uniform(0.1, 2, engine.max_num_batched_tokens + 1),
            sequences_s=rng.uniform(0, 0.5, slots + 1),
            kv_s=rng.uniform(0, 0.01, slots + 1),
            pair_s=rng.uniform(0, 0.001),
        )
    return Configuration(
        gpu=f"gpu-{rng.integers(3)}",
        tensor=int(rng.choice([1, 2])),
        data=engine.ranks,
        engine=engine,
        routing=cast(
            Routing,
            rng.choice(
                ["round-robin", "least-loaded", *(["prefix-aware"] if trace.prefixes else [])]
            ),
        ),
        table=table,
        # Few prices, so that many fleets cost the same.
        usd_per_hour=float(rng.choice([0.5, 1.0, 1.5, 2.0])),
    )


def random_catalog(seed: int) -> Catalog:
    """One catalog; the same for the same seed."""
    rng = np.random.default_rng(seed)
    trace = random_trace(rng)
    limits = [
        Limit(
            metric=cast(Metric, metric),
            q=float(rng.choice([0.5, 0.9, 0.95])),
            seconds=float(np.exp(rng.uniform(*span))),
        )
        for metric, span in (("ttft", (-1, 5)), ("tpot", (-1, 2)), ("latency", (1, 6)))
        if rng.integers(3)
    ]
    return Catalog(
        trace=trace,
        configurations=[random_configuration(rng, trace) for _ in range(rng.integers(1, 6))],
        limits=limits or [Limit(metric="ttft", q=0.95, seconds=2.0)],
        scope=Scope(
            max_gpus=int(rng.integers(2, 17)),
            max_replicas=int(rng.integers(1, 9)),
            worst_stress=float(rng.choice([1.5, 4.0, math.inf])),
            dearest=float(rng.choice([1.0, 2.0, 10.0])),
        ),
    )


def brute_force(catalog: Catalog) -> tuple[Evaluation | None, list[Evaluation]]:
    """The cheapest fleet that holds, and the front: every candidate simulated, all pairs compared.

    The front is that of the scope; where no candidate is within it, of all candidates.
    """
    scope = catalog.scope
    candidates = candidates_of(
        catalog.configurations, max_gpus=scope.max_gpus, max_replicas=scope.max_replicas
    )
    everything = [evaluate(catalog.trace, c, catalog.limits) for c in candidates]
    holding = [e for e in everything if e.holds]
    cheapest_usd = min((cost_key(e.candidate) for e in holding), default=math.inf)
    near = [e for e in everything if e.stress <= scope.worst_stress] or everything
    affordable = [e for e in near if cost_key(e.candidate) <= scope.dearest * cheapest_usd + 1e-9]
    front = [e for e in affordable if not any(_improves(o, e) for o in affordable)]
    front.sort(key=lambda e: cost_key(e.candidate))
    cheapest = min(
        (e for e in holding if cost_key(e.candidate) == cheapest_usd),
        key=lambda e: (e.stress, e.candidate.index),
        default=None,
    )
    return cheapest, front


def _improves(one: Evaluation, other: Evaluation) -> bool:
    if one is other:
        return False
    a, b = cost_key(one.candidate), cost_key(other.candidate)
    no_worse = a <= b and one.stress <= other.stress
    better = a < b or one.stress < other.stress
    return no_worse and (better or one.candidate.index < other.candidate.index)
