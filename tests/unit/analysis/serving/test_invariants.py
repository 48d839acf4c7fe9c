"""What must always hold, whatever the requests and the fleet: property-based."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.analysis.compiled import Floats
from netra.analysis.serving.simulator import Service
from tests.unit.analysis.serving.agreement import run
from tests.unit.analysis.serving.cases import Case, random_case

_GAPS = st.lists(st.floats(0, 100), min_size=1, max_size=30)
_SEEDS = st.integers(0, 2**32 - 1)


def case_of(seed: int, gaps: list[float]) -> Case:
    """A random case with these times between its arrivals."""
    case = random_case(seed)
    n = min(len(gaps), len(case.arrival_s))
    return dataclasses.replace(
        case,
        arrival_s=np.cumsum(np.array(gaps[:n])),
        input_tokens=case.input_tokens[:n],
        output_tokens=case.output_tokens[:n],
        hashes=case.hashes[:n] if case.hashes else None,
    )


def covered_s(start: Floats, end: Floats) -> float:
    """How much time intervals cover; they are in the order of their starts."""
    total = 0.0
    until = -np.inf
    for one, other in zip(start, end, strict=True):
        total += max(0.0, other - max(one, until))
        until = max(until, other)
    return total


def busy_s(service: Service, case: Case) -> float:
    occupancy = service.occupancy
    return float(occupancy.utilisation.sum() * occupancy.bin_s * case.fleet.replicas)


# The first example loads or compiles the loop, hence no deadline.
@settings(deadline=None, max_examples=200)
@given(seed=_SEEDS, gaps=_GAPS)
def test_nothing_is_served_before_it_arrives_and_everything_to_its_end(
    seed: int, gaps: list[float]
) -> None:
    service = run(case_of(seed, gaps))
    assert np.all(service.received_s >= service.arrival_s)
    assert np.all(service.scheduled_s >= service.received_s)
    assert np.all(service.first_token_s > service.scheduled_s)
    assert np.all(service.finish_s >= service.first_token_s)


@settings(deadline=None, max_examples=200)
@given(seed=_SEEDS, gaps=_GAPS)
def test_no_more_is_held_or_runs_than_there_is_room_for(seed: int, gaps: list[float]) -> None:
    case = case_of(seed, gaps)
    service, engine = run(case), case.fleet.engine
    assert 0 < service.peak_kv_blocks <= engine.kv_blocks
    assert np.all(service.occupancy.kv <= 1 + 1e-9)
    assert np.all(service.occupancy.utilisation <= 1 + 1e-9)
    slots = engine.max_num_seqs * engine.ranks * case.fleet.replicas
    assert np.all(service.occupancy.running <= slots * (1 + 1e-9))


@settings(deadline=None, max_examples=200)
@given(seed=_SEEDS, gaps=_GAPS)
def test_a_replica_works_whenever_it_has_a_request_and_only_then(
    seed: int, gaps: list[float]
) -> None:
    case = case_of(seed, gaps)
    service = run(case)
    expected = sum(
        covered_s(service.arrival_s[mine], service.finish_s[mine])
        for mine in (service.replica == r for r in range(case.fleet.replicas))
    )
    assert abs(busy_s(service, case) - expected) <= 1e-9 * max(1.0, service.finish_s.max())


@settings(deadline=None, max_examples=200)
@given(seed=_SEEDS, gaps=_GAPS)
def test_every_token_is_computed_or_found(seed: int, gaps: list[float]) -> None:
    case = case_of(seed, gaps)
    service = run(case)
    to_read = int((case.input_tokens - service.cached_tokens).sum())
    assert np.all(service.cached_tokens < case.input_tokens)
    if service.preemptions.any():
        # What was lost is read again, though never a request's last token.
        most = (service.preemptions * (case.input_tokens + case.output_tokens - 1)).sum()
        assert to_read - case.input_tokens.sum() <= service.read_tokens <= to_read + most
    else:
        assert service.read_tokens == to_read
    # A token that is not the first takes a step of its own, the shortest of which is of one token.
    shortest = case.table.tokens_s[1:].min()
    gaps_s = service.finish_s - service.first_token_s
    assert np.all(gaps_s >= shortest * (case.output_tokens - 1) - 1e-9 * service.finish_s.max())


@settings(deadline=None, max_examples=100)
@given(seed=_SEEDS)
def test_the_same_arguments_give_the_same_times(seed: int) -> None:
    first, second = run(random_case(seed)), run(random_case(seed))
    for name in ("received_s", "scheduled_s", "first_token_s", "finish_s", "cached_tokens"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


@settings(deadline=None, max_examples=100)
@given(seed=_SEEDS)
def test_hashes_that_nobody_shares_change_nothing(seed: int) -> None:
    case = random_case(seed)
    if case.fleet.routing == "prefix-aware":
        case = dataclasses.replace(
            case, fleet=dataclasses.replace(case.fleet, routing="least-loaded")
        )
    without = dataclasses.replace(case, hashes=None)
    alone = dataclasses.replace(
        case,
        hashes=[(2 * n, 2 * n + 1) for n in range(len(case.arrival_s))],
        hashed_tokens=case.fleet.engine.block_tokens,
    )
    assert run(alone).finish_s.tobytes() == run(without).finish_s.tobytes()
