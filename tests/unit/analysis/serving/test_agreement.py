"""The simulator against the obvious one, on small random cases of every kind.

Of 7,500 cases, 1,500 are part of `make test`; `pytest -m slow` takes the others.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

import numpy as np
import pytest

from netra.analysis.serving.settings import Autoscaling, EngineSettings, Fleet
from tests.shared_data import shared_data
from tests.unit.analysis.serving.agreement import check, compare
from tests.unit.analysis.serving.cases import Case, random_case, random_table


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, 5))]
)
def test_agrees_with_the_obvious_simulator(part: int) -> None:
    seeds = range(1_500 * part, 1_500 * (part + 1))
    services = [check(seed) for seed in seeds]
    # The cases would be worth little if they never did what is hard.
    assert sum(int(service.preemptions.sum()) for service in services) > 1_000
    assert sum(service.decisions < 0.5 * service.steps for service in services) > 100
    assert sum(len(set(service.replicas_on.tolist())) > 1 for service in services) > 40
    cases = [random_case(seed) for seed in seeds]
    hashed = [n for n, case in enumerate(cases) if case.hashes]
    assert sum(int((services[n].cached_tokens > 0).sum()) for n in hashed) > 1_000
    assert sum(int(services[n].preemptions.sum()) for n in hashed) > 500
    kinds = Counter((case.fleet.routing, case.hashes is not None) for case in cases)
    assert len(kinds) == 7
    assert min(kinds.values()) > 100


def test_agrees_on_real_prompts() -> None:
    """350 conversations with prompts of up to 120,000 tokens, in caches that are too small."""
    with shared_data("mooncake-conversation.jsonl").open() as file:
        rows = [json.loads(line) for line, _ in zip(file, range(350), strict=False)]
    engine = EngineSettings(
        max_num_seqs=20, max_num_batched_tokens=700, kv_blocks=1_100, block_tokens=128
    )
    scaler = Autoscaling(least=1, target=5.0, startup_s=33.0, interval_s=15.1, cooldown_s=100.0)
    fleet = Fleet(engine=engine, replicas=3, routing="prefix-aware", prefix_margin=4)
    case = Case(
        arrival_s=np.array([row["timestamp"] for row in rows]) / 50,
        input_tokens=np.array([row["input_length"] for row in rows]),
        output_tokens=np.array([1 + row["output_length"] // 8 for row in rows]),
        fleet=fleet,
        table=random_table(np.random.default_rng(1), 700, 20),
        hashes=[tuple(row["hash_ids"]) for row in rows],
        hashed_tokens=512,
    )
    assert (compare(case, "mooncake").cached_tokens > 0).sum() > 100
    scaled = dataclasses.replace(case, fleet=dataclasses.replace(fleet, autoscaling=scaler))
    assert set(compare(scaled, "mooncake, scaled").replicas_on.tolist()) == {1, 2, 3}
