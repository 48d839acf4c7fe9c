"""The simulator against the obvious one, on small random cases of every kind.

Of 7,500 cases, 1,500 are part of `make test`; `pytest -m slow` takes the others.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.unit.analysis.serving.agreement import check
from tests.unit.analysis.serving.cases import random_case


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
