"""Least replicas, schedules, autoscalers, bands and intervals against what is obvious and slow."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from netra.analysis.serving.search import evaluation
from netra.analysis.serving.search.autoscaled import cheapest_autoscaling
from netra.analysis.serving.search.binding import binding
from netra.analysis.serving.search.configuration import Candidate
from netra.analysis.serving.search.evaluation import evaluate, serve
from netra.analysis.serving.search.fleet_search import Scope, search
from netra.analysis.serving.search.least_replicas import least_replicas
from netra.analysis.serving.search.limits import Limit, percentile
from netra.analysis.serving.search.replica_schedule import replica_schedule
from netra.analysis.serving.search.resampled_windows import over_resamples, resample
from netra.analysis.serving.search.step_time_band import over_band, scaled
from netra.analysis.serving.search.trace import Trace
from netra.errors import InsufficientData, InvalidInput, StageCancelled
from tests.unit.analysis.serving.search.catalogs import Catalog, random_catalog


@pytest.fixture(autouse=True)
def _short_traces_are_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "_PROBED_FROM", 5)


@pytest.mark.parametrize("seed", range(60))
def test_least_replicas_are_the_first_that_hold(seed: int) -> None:
    catalog = random_catalog(seed)
    for configuration in catalog.configurations:
        tried = [
            evaluate(
                catalog.trace,
                Candidate(configuration=configuration, replicas=replicas),
                catalog.limits,
            )
            for replicas in range(1, 7)
        ]
        expected = next((e.candidate.replicas for e in tried if e.holds), None)
        found = least_replicas(catalog.trace, configuration, catalog.limits, most=6)
        assert (found.candidate.replicas if found else None) == expected


def _holding(seed: int, hashed: bool = False) -> tuple[Catalog, Candidate]:
    """A catalog with requests over time, and the cheapest fleet of it that holds."""
    for s in range(seed, seed + 1000):
        catalog = random_catalog(s)
        if catalog.trace.span_s > 20 and (catalog.trace.prefixes is not None) == hashed:
            found = search(catalog.trace, catalog.configurations, catalog.limits)
            if found.cheapest:
                return catalog, found.cheapest.candidate
    raise AssertionError("no catalog holds")


@pytest.mark.parametrize("seed", range(0, 300, 50))
def test_each_window_has_the_first_number_of_replicas_that_serves_it(seed: int) -> None:
    catalog, best = _holding(seed)
    trace, window_s, warm_s = catalog.trace, catalog.trace.span_s / 4.5, 7.0
    needs = replica_schedule(
        trace, best.configuration, catalog.limits, window_s=window_s, warm_up_s=warm_s, most=5
    )
    assert len(needs) == 5
    assert sum(need.requests for need in needs) == len(trace)
    for need in needs:
        in_window = (trace.arrival_s >= need.start_s) & (trace.arrival_s < need.end_s)
        warm = (trace.arrival_s >= need.start_s - warm_s) & (trace.arrival_s < need.end_s)
        if not in_window.any():
            assert need.replicas == 1
            continue
        held: list[bool] = []
        for replicas in range(1, need.replicas + 1):
            fleet = Candidate(configuration=best.configuration, replicas=replicas)
            service = serve(trace.where(warm), fleet)
            counted = in_window[warm]
            times = {"ttft": service.ttft_s, "latency": service.latency_s, "tpot": service.tpot_s}
            worst = 0.0
            for limit in catalog.limits:
                values = times[limit.metric][counted]
                values = values[~np.isnan(values)]
                if len(values):
                    worst = max(worst, percentile(values, limit.q) / limit.seconds)
            held.append(worst <= 1)
        assert not any(held[:-1])
        assert held[-1] == need.holds


def test_a_window_needs_no_more_than_a_fleet_that_holds_it_in_all_the_trace() -> None:
    for seed in range(0, 300, 50):
        catalog, best = _holding(seed)
        trace = catalog.trace
        served = (best.replicas, serve(trace, best))
        alone, capped = (
            replica_schedule(
                trace,
                best.configuration,
                catalog.limits,
                window_s=trace.span_s / 4.5,
                warm_up_s=7.0,
                most=6,
                served=given,
            )
            for given in (None, served)
        )
        for one, other in zip(alone, capped, strict=True):
            assert other.replicas <= one.replicas
            assert other.replicas in (one.replicas, best.replicas)


def test_the_autoscaler_is_the_cheapest_of_those_that_hold() -> None:
    catalog, best = _holding(0)
    best = dataclasses.replace(best, replicas=best.replicas + 1)
    found = cheapest_autoscaling(catalog.trace, best, catalog.limits, startup_s=1.0, most=4)
    assert found is not None
    assert found.evaluation.holds
    assert found.autoscaling.least <= best.replicas
    assert found.replica_s > 0
    impossible = [Limit(metric="ttft", q=0.5, seconds=1e-6)]
    assert cheapest_autoscaling(catalog.trace, best, impossible, startup_s=1.0, most=4) is None


def test_the_band_is_the_fleet_with_all_step_times_scaled() -> None:
    for seed in (0, 50, 100):
        catalog, best = _holding(seed)
        fast, slow = over_band(catalog.trace, best, catalog.limits, deviation=0.2, most=9)
        assert (fast.factor, slow.factor) == (pytest.approx(math.exp(-0.2)), math.exp(0.2))
        for end in (fast, slow):
            table = scaled(best.configuration.table, end.factor)
            same = dataclasses.replace(best.configuration, table=table)
            fleet = Candidate(configuration=same, replicas=best.replicas)
            assert end.chosen.stress == evaluate(catalog.trace, fleet, catalog.limits).stress
            expected = least_replicas(catalog.trace, same, catalog.limits, most=9)
            assert (end.least is None) == (expected is None)
            if end.least and expected:
                assert end.least.candidate.replicas == expected.candidate.replicas


def test_no_deviation_is_the_fleet_itself() -> None:
    catalog, best = _holding(0)
    fast, slow = over_band(catalog.trace, best, catalog.limits, deviation=0.0, most=9)
    assert fast.chosen.percentiles == slow.chosen.percentiles
    assert fast.chosen.percentiles == evaluate(catalog.trace, best, catalog.limits).percentiles


def _trace(n: int = 200, span_s: float = 100.0) -> Trace:
    rng = np.random.default_rng(3)
    return Trace(
        arrival_s=500.0 + np.sort(rng.uniform(0, span_s, n)),
        input_tokens=np.arange(1, n + 1),
        output_tokens=np.full(n, 3),
    )


def test_a_resample_lays_whole_windows_end_to_end() -> None:
    trace = _trace()
    start, width = trace.arrival_s[0], trace.span_s / 10
    drawn = resample(trace, windows=10, rng=np.random.default_rng(1))
    assert drawn is not None
    assert bool(np.all(np.diff(drawn.arrival_s) >= 0))
    # Input tokens name the requests: each keeps its place within its window.
    original = trace.arrival_s[drawn.input_tokens - 1]
    shift = (drawn.arrival_s - original) / width
    np.testing.assert_allclose(shift, np.rint(shift), atol=1e-6)
    windows = np.minimum(((original - start) / width).astype(int), 9)
    for window in set(windows.tolist()):
        everyone = np.minimum(((trace.arrival_s - start) / width).astype(int), 9) == window
        assert np.count_nonzero(windows == window) % np.count_nonzero(everyone) == 0


@pytest.mark.parametrize("hashed", [False, True])
def test_intervals_repeat_by_seed_and_hold_what_they_were_drawn_from(hashed: bool) -> None:
    catalog, best = _holding(0, hashed)
    trace = catalog.trace

    def run(seed: int, threads: int = 1):
        return over_resamples(
            trace, best, catalog.limits, windows=12, draws=20, most=8, seed=seed, threads=threads
        )

    one, same, other = run(1), run(1, threads=3), run(2)
    assert one.percentiles == same.percentiles
    assert one.replicas == same.replicas
    assert one.percentiles != other.percentiles
    assert one.draws == 20
    low, high = one.percentiles["latency_p50"]
    assert low <= evaluate(trace, best, catalog.limits).percentiles["latency_p50"] <= high
    assert one.replicas[0] <= best.replicas


def test_traffic_that_cannot_be_cut_into_windows_carries_no_interval() -> None:
    catalog, best = _holding(0)
    with pytest.raises(InsufficientData) as e:
        over_resamples(catalog.trace, best, catalog.limits, windows=9, draws=5, most=4, seed=0)
    assert e.value.needs == ["10 windows of traffic"]
    at_once = Trace(
        arrival_s=np.zeros(5), input_tokens=np.ones(5, int), output_tokens=np.ones(5, int)
    )
    with pytest.raises(InsufficientData):
        over_resamples(at_once, best, catalog.limits, windows=12, draws=5, most=4, seed=0)


def test_the_stages_stop_when_asked() -> None:
    catalog, best = _holding(0)
    trace, limits = catalog.trace, catalog.limits
    with pytest.raises(StageCancelled):
        over_resamples(
            trace, best, limits, windows=12, draws=5, most=4, seed=0, cancelled=lambda: True
        )
    with pytest.raises(StageCancelled):
        replica_schedule(
            trace, best.configuration, limits,
            window_s=5, warm_up_s=1, most=4, cancelled=lambda: True,
        )  # fmt: skip
    with pytest.raises(StageCancelled):
        cheapest_autoscaling(trace, best, limits, startup_s=1, most=4, cancelled=lambda: True)


def test_what_binds_is_missed_by_the_nearest_cheaper_fleets() -> None:
    seen = 0
    for seed in range(60):
        catalog = random_catalog(seed)
        options, scope = catalog.configurations, Scope()
        found = search(catalog.trace, options, catalog.limits, scope=scope)
        missed = binding(catalog.trace, found, catalog.limits, options, scope)
        for one in missed:
            assert one.over > 0
            assert one.seconds == pytest.approx(one.limit.seconds * (1 + one.over))
            assert not one.fleet.holds
            if found.cheapest:
                assert one.fleet.candidate.usd_per_hour <= found.cheapest.candidate.usd_per_hour
        if found.cheapest and found.cheapest.candidate.usd_per_hour > min(
            c.usd_per_hour for c in options
        ):
            assert missed
            seen += 1
        if found.cheapest is None:
            assert missed
    assert seen > 5


def test_a_trace_needs_requests() -> None:
    with pytest.raises(InvalidInput, match="needs requests"):
        Trace(arrival_s=np.empty(0), input_tokens=np.empty(0, int), output_tokens=np.empty(0, int))
