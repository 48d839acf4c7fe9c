from __future__ import annotations

import math

import numpy as np
import pytest

from netra.analysis.serving.search import evaluation
from netra.analysis.serving.search.configuration import candidates_of, cost_key
from netra.analysis.serving.search.evaluation import Evaluation, evaluate, probe
from netra.analysis.serving.search.fleet_search import Scope, _bounds, _Search, search
from netra.analysis.serving.search.limits import Limit, percentile, stress_of
from netra.errors import StageCancelled
from tests.unit.analysis.serving.search.catalogs import (
    brute_force,
    random_catalog,
    random_configuration,
    random_trace,
)


@pytest.fixture(autouse=True)
def _short_traces_are_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in traces of thousands of requests."""
    monkeypatch.setattr(evaluation, "_PROBED_FROM", 5)


def _shape(found: Evaluation | None) -> tuple[float, float, int] | None:
    if found is None:
        return None
    return cost_key(found.candidate), found.stress, found.candidate.index


@pytest.mark.parametrize("seed", range(150))
def test_search_finds_what_looking_at_everything_finds(seed: int) -> None:
    catalog = random_catalog(seed)
    cheapest, front = brute_force(catalog)
    found = search(catalog.trace, catalog.configurations, catalog.limits, scope=catalog.scope)
    assert _shape(found.cheapest) == _shape(cheapest)
    assert [_shape(e) for e in found.front] == [_shape(e) for e in front]


def test_the_random_catalogs_are_of_all_kinds() -> None:
    found = [
        search(c.trace, c.configurations, c.limits, scope=c.scope)
        for c in map(random_catalog, range(150))
    ]
    assert sum(f.cheapest is None for f in found) > 15
    assert sum(f.cheapest is not None for f in found) > 50
    assert sum(len(f.front) > 1 for f in found) > 30
    for name in ("unloaded", "demand", "probe", "cost"):
        assert sum(f.ruled_out[name] for f in found) > 10, name
    assert sum(f.simulated for f in found) < 0.8 * sum(f.candidates for f in found)


@pytest.mark.parametrize("seed", range(60))
def test_no_bound_exceeds_what_is_simulated(seed: int) -> None:
    catalog = random_catalog(1000 + seed)
    bounds = {id(c): _bounds(catalog.trace, c, catalog.limits) for c in catalog.configurations}
    state = _Search(trace=catalog.trace, limits=catalog.limits, scope=catalog.scope, bounds=bounds)
    for candidate in candidates_of(catalog.configurations, max_gpus=8, max_replicas=4):
        stress = evaluate(catalog.trace, candidate, catalog.limits).stress
        assert state.bound(candidate)[0] <= stress
        assert probe(catalog.trace, candidate, catalog.limits) <= stress


@pytest.mark.parametrize("seed", range(10))
def test_result_does_not_depend_on_threads(seed: int) -> None:
    catalog = random_catalog(seed)
    one, two = (
        search(
            catalog.trace, catalog.configurations, catalog.limits,
            scope=catalog.scope, threads=threads,
        )
        for threads in (1, 3)
    )  # fmt: skip
    assert [_shape(e) for e in one.front] == [_shape(e) for e in two.front]
    assert (one.simulated, one.ruled_out) == (two.simulated, two.ruled_out)


def test_every_candidate_is_accounted_for() -> None:
    for seed in range(40):
        c = random_catalog(seed)
        scope = Scope(max_gpus=8, max_replicas=8, worst_stress=math.inf)
        found = search(c.trace, c.configurations, c.limits, scope=scope)
        assert found.simulated + sum(found.ruled_out.values()) == found.candidates


def test_an_affordable_cost_from_elsewhere_ends_the_search() -> None:
    for seed in range(30):
        c = random_catalog(seed)
        free = search(c.trace, c.configurations, c.limits, scope=Scope(max_gpus=8))
        if free.cheapest is None:
            continue
        usd = free.cheapest.candidate.usd_per_hour
        capped = search(
            c.trace, c.configurations, c.limits, scope=Scope(max_gpus=8, usd_per_hour=usd)
        )
        assert _shape(capped.cheapest) == _shape(free.cheapest)
        below = search(
            c.trace, c.configurations, c.limits, scope=Scope(max_gpus=8, usd_per_hour=0.9 * usd)
        )
        assert below.cheapest is None


def test_a_search_stops_when_asked() -> None:
    catalog = random_catalog(1)
    with pytest.raises(StageCancelled):
        search(
            catalog.trace, catalog.configurations,
            [Limit(metric="ttft", q=0.5, seconds=1e6)], cancelled=lambda: True,
        )  # fmt: skip


def test_same_cost_goes_to_the_fleet_that_holds_with_most_to_spare() -> None:
    rng = np.random.default_rng(5)
    trace = random_trace(rng)
    options = [random_configuration(rng, trace) for _ in range(6)]
    for option in options:
        object.__setattr__(option, "usd_per_hour", 1.0)
    loose = [Limit(metric="latency", q=0.95, seconds=1e9)]
    found = search(trace, options, loose)
    assert found.cheapest is not None
    assert found.cheapest.candidate.replicas == 1
    least = min(
        evaluate(trace, c, loose).stress
        for c in candidates_of(options, max_gpus=64, max_replicas=1)
    )
    assert found.cheapest.stress == least


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99])
def test_a_percentile_is_exceeded_if_more_values_exceed_it_than_it_allows(q: float) -> None:
    rng = np.random.default_rng(0)
    for n in range(1, 60):
        values = rng.integers(0, 20, n).astype(float)
        allowed = n - math.ceil(q * n - 1e-9)
        for limit in range(20):
            late = int(np.count_nonzero(values > limit))
            assert (percentile(values, q) <= limit) == (late <= allowed)


def test_a_percentile_of_nothing_holds_any_limit() -> None:
    limits = [
        Limit(metric="tpot", q=0.95, seconds=0.1),
        Limit(metric="ttft", q=0.95, seconds=2.0),
    ]
    assert stress_of([math.nan, 1.0], limits) == 0.5


@pytest.mark.parametrize(("q", "seconds"), [(0, 1), (1, 1), (0.5, 0), (0.5, -1)])
def test_a_limit_that_makes_no_sense_is_refused(q: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="no limit"):
        Limit(metric="ttft", q=q, seconds=seconds)
