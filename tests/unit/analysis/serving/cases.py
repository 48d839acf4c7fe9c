"""Small random fleets and workloads, of the kinds that strain a scheduler."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import cast

import numpy as np

from netra.analysis.compiled import Floats, Int64s
from netra.analysis.serving.prefixes import Prefixes, prefixes_of
from netra.analysis.serving.settings import Autoscaling, EngineSettings, Fleet, Routing
from netra.analysis.serving.step_time import StepTable


@dataclass(frozen=True, kw_only=True)
class Case:
    arrival_s: Floats
    input_tokens: Int64s
    output_tokens: Int64s
    fleet: Fleet
    table: StepTable
    #: Hashes of each prompt's blocks, of so many tokens.
    hashes: list[tuple[int, ...]] | None = None
    hashed_tokens: int = 1

    @property
    def prefixes(self) -> Prefixes | None:
        """The hashes as the simulator takes them."""
        if self.hashes is None:
            return None
        return prefixes_of(
            np.cumsum([0, *map(len, self.hashes)]),
            np.array([one for blocks in self.hashes for one in blocks], np.uint64),
            self.input_tokens,
            block_tokens=self.hashed_tokens,
        )


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


def random_hashes(
    rng: np.random.Generator, prompt: Int64s, hashed_tokens: int
) -> list[tuple[int, ...]]:
    """Prompts that go on like earlier ones; the same hash may stand after different ones."""
    few = int(rng.choice([2, 1_000_000]))
    begun: list[tuple[int, ...]] = [()]
    for tokens in prompt:
        blocks = int(tokens) // hashed_tokens + int(rng.integers(2))
        before = begun[int(rng.integers(len(begun)))]
        same = before[: int(rng.integers(blocks // 2, blocks + 1))]
        new = rng.integers(0, few, max(0, blocks - len(same)))
        begun.append((same + tuple(int(one) for one in new))[:blocks])
    return begun[1:]


def random_case(seed: int) -> Case:
    """One case; the same for the same seed. Half of them have block hashes."""
    case = random_plain_case(seed)
    rng = np.random.default_rng([seed, 1])
    if rng.integers(2):
        return case
    engine = case.fleet.engine
    hashed_tokens = engine.block_tokens * int(rng.choice([1, 1, 2, 5]))
    prompt = case.input_tokens
    if rng.integers(2):
        whole = np.maximum(1, prompt // hashed_tokens) * hashed_tokens
        held = whole + case.output_tokens - 1
        fits = -(-held // engine.block_tokens) <= engine.kv_blocks
        prompt = np.where(fits & (rng.integers(0, 2, len(prompt)) > 0), whole, prompt)
    routings = ["round-robin", "least-loaded", "random"]
    if engine.prefix_caching:
        routings += ["prefix-aware"] * 3
    fleet = dataclasses.replace(
        case.fleet,
        routing=cast(Routing, rng.choice(routings)),
        prefix_margin=int(rng.choice([0, 1, 4, 100])),
        prefix_share=float(rng.choice([0.0, 0.3])),
        seed=int(rng.integers(1000)),
    )
    return dataclasses.replace(
        case,
        input_tokens=prompt,
        fleet=fleet,
        hashes=random_hashes(rng, prompt, hashed_tokens),
        hashed_tokens=hashed_tokens,
    )


def random_plain_case(seed: int) -> Case:
    """One case without block hashes."""
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
            routing=cast(Routing, rng.choice(["round-robin", "least-loaded", "random"])),
        ),
        table=random_table(rng, engine.max_num_batched_tokens, slots),
    )
