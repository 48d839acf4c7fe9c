"""Small random fleets and workloads, of the kinds that strain a scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from netra.analysis.compiled import Floats, Int64s
from netra.analysis.serving.settings import Autoscaling, EngineSettings, Fleet, Routing
from netra.analysis.serving.step_time import StepTable


@dataclass(frozen=True, kw_only=True)
class Case:
    arrival_s: Floats
    input_tokens: Int64s
    output_tokens: Int64s
    fleet: Fleet
    table: StepTable


def random_table(rng: np.random.Generator, tokens: int, sequences: int) -> StepTable:
    """Step times of about a second, rising in all they depend on."""
    return StepTable(
        tokens_s=0.2 + np.cumsum(rng.uniform(0, 0.1, tokens + 1)),
        sequences_s=np.cumsum(rng.uniform(0, 0.1, sequences + 1)),
        kv_s=np.sort(rng.uniform(0, 0.01, sequences + 1)),
        pair_s=rng.uniform(0, 0.001),
    )


def random_autoscaling(rng: np.random.Generator, replicas: int) -> Autoscaling:
    """An autoscaler whose ticks do not fall on arrivals."""
    return Autoscaling(
        least=int(rng.integers(1, replicas + 1)),
        target=float(rng.uniform(0.5, 6)),
        startup_s=float(rng.choice([0.0, 3.7])),
        interval_s=float(rng.uniform(0.5, 9)),
        cooldown_s=float(rng.choice([0.0, 20.3])),
    )


def random_case(seed: int) -> Case:
    """One case; the same for the same seed."""
    rng = np.random.default_rng(seed)
    slots = int(rng.integers(1, 9))
    block = int(rng.choice([1, 2, 3, 4, 16]))
    n = int(rng.integers(1, 40))
    prompt = rng.integers(1, rng.integers(2, 60), n)
    output = rng.integers(1, rng.integers(2, 60), n)
    least_blocks = int(-(-(prompt + output - 1).max() // block))
    engine = EngineSettings(
        max_num_seqs=slots,
        max_num_batched_tokens=slots + int(rng.integers(0, 30)),
        kv_blocks=least_blocks + int(rng.integers(0, 1 + least_blocks * rng.choice([0, 1, 8]))),
        block_tokens=block,
        async_scheduling=bool(rng.integers(2)),
        prefix_caching=bool(rng.integers(2)),
        ranks=int(rng.choice([1, 1, 2, 3])),
    )
    replicas = int(rng.integers(1, 4))
    gaps = rng.exponential(rng.choice([0.0, 0.1, 2.0, 30.0]), n)
    return Case(
        arrival_s=1e3 * rng.uniform() + np.cumsum(gaps * rng.integers(0, 2, n)),
        input_tokens=prompt,
        output_tokens=output,
        fleet=Fleet(
            engine=engine,
            replicas=replicas,
            autoscaling=random_autoscaling(rng, replicas) if rng.integers(2) else None,
            routing=cast(Routing, rng.choice(["round-robin", "least-loaded"])),
        ),
        table=random_table(rng, engine.max_num_batched_tokens, slots),
    )
