"""The simulator beside the obvious one, on one random case."""

from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.serving.simulator import Service, simulate
from tests.unit.analysis.serving.cases import Case, random_case
from tests.unit.analysis.serving.reference import serve


def run(case: Case) -> Service:
    return simulate(
        case.arrival_s,
        case.input_tokens,
        case.output_tokens,
        fleet=case.fleet,
        table=case.table,
        prefixes=case.prefixes,
    )


def check(seed: int) -> Service:
    """Compares the two on a random case."""
    return compare(random_case(seed), seed)


def compare(case: Case, seed: int | str) -> Service:
    service = run(case)
    # The reference begins at 0 as the simulator does inside, so that both round alike.
    start = case.arrival_s[0]
    asked, replicas, schedule = serve(
        (case.arrival_s - start).tolist(),
        case.input_tokens.tolist(),
        case.output_tokens.tolist(),
        case.fleet,
        case.table,
        case.hashes,
        case.hashed_tokens,
    )
    for name in ("received_s", "scheduled_s", "first_token_s", "finish_s"):
        expected = np.array([getattr(request, name) for request in asked]) + start
        assert np.abs(getattr(service, name) - expected).max() < 1e-6, (seed, name)
    places = list(zip(service.replica.tolist(), service.rank.tolist(), strict=True))
    assert places == [request.place for request in asked], seed
    assert service.preemptions.tolist() == [request.preemptions for request in asked], seed
    assert service.cached_tokens.tolist() == [
        request.cached if case.hashes else 0 for request in asked
    ], seed
    ranks = [rank for replica in replicas for rank in replica.ranks]
    assert service.read_tokens == sum(rank.read for rank in ranks), seed
    assert service.replicas_on.tolist() == schedule, seed
    assert service.steps == sum(replica.step for replica in replicas), seed
    busy_s = service.occupancy.utilisation.sum() * service.occupancy.bin_s * case.fleet.replicas
    assert busy_s == pytest.approx(sum(replica.busy_s for replica in replicas)), seed
    return service
