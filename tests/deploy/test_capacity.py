"""docs/capacity.md follows from the measured costs, and the formulas agree with a simulation."""

from __future__ import annotations

import json

import pytest

from benchmarks import capacity
from benchmarks.capacity import BUSY, Costs, between_marks, checked, plan, tables
from benchmarks.capacity_simulation import Station, mean_wait_s, simulate
from tests.deploy.conftest import Proof

RATES = json.loads(capacity.RATES.read_text())
COSTS = Costs.of(RATES)


def test_the_page_s_figures_follow_from_the_measured_costs() -> None:
    page = capacity.PAGE.read_text()
    assert between_marks(page, tables(RATES)) == page, "python -m benchmarks.capacity --write"
    assert RATES["command"].startswith("python -m benchmarks.capacity_rates")
    costlier = RATES | {"scheduler_us": RATES["scheduler_us"] * 2}
    assert between_marks(page, tables(costlier)) != page, "another cost would be another page"


@pytest.mark.timeout(180)
def test_the_queue_saturates_where_the_page_says(proof: Proof) -> None:
    found = {load: checked(COSTS, load, jobs=20_000) for load in (100, 1_000, 10_000)}
    worst = max(abs(one["saturation_error"]) for one in found.values())
    delay = max(abs(one["response_error"]) for one in found.values())
    assert worst < 0.03
    assert delay < 0.1
    thousand, most = plan(COSTS, 1_000), plan(COSTS, 100_000)
    proof(
        f"capacity: a shard saturates at {found[1_000]['saturation']:,.0f} jobs/s"
        f" ({thousand.bound}); simulated within {worst:.1%}, mean response within {delay:.1%};"
        f" 1,000 jobs/s: {thousand.shards} shards, 100,000: {most.shards}"
    )


def test_no_part_of_a_plan_is_busier_than_planned() -> None:
    for load in capacity.JOB_LOADS:
        found = plan(COSTS, load)
        a_shard = load / found.shards
        for station in capacity.stations(COSTS, found):
            assert a_shard * station.service_s / station.servers <= BUSY, station
        fewer = found.shards - 1
        if fewer:
            limits = COSTS.saturation()
            assert load / fewer > BUSY * limits[found.bound], "one shard less would be too busy"


@pytest.mark.parametrize("load", capacity.JOB_LOADS)
def test_every_shard_has_api_pods_and_workers_of_its_own(load: int) -> None:
    """What the page's table names is what all shards have together, and none shares any."""
    found = plan(COSTS, load)
    row = next(line for line in tables(RATES).splitlines() if line.startswith(f"| {load:,} |"))
    shards, pods, slots = (int(cell.replace(",", "")) for cell in row.split("|")[2:5])
    assert (shards, pods, slots) == (found.shards, found.api_pods, found.worker_slots)
    assert pods % shards == slots % shards == 0
    assert pods >= capacity.LEAST_API_PODS * shards
    assert slots >= capacity.LEAST_WORKER_SLOTS * shards


def test_the_page_says_how_large_the_primary_is_that_it_speaks_of() -> None:
    [row] = [line for line in tables(RATES).splitlines() if line.startswith("| PostgreSQL")]
    assert f"of {capacity.POSTGRES_CPU} vCPU" in row
    per_s = float(row.split("|")[3].split()[0].replace(",", ""))
    assert per_s == pytest.approx(capacity.POSTGRES_CPU / COSTS.postgres, abs=1)


@pytest.mark.parametrize("servers", [1, 4, 40])
def test_the_formula_for_waiting_agrees_with_simulated_queues(servers: int) -> None:
    station = Station("one", servers, 0.01)
    load = 0.8 * servers / station.service_s
    simulated = simulate([station], load, 200_000, seed=3).response_s
    assert simulated == pytest.approx(mean_wait_s(station, load) + 0.01, rel=0.06)


def test_an_overloaded_station_has_no_mean_wait() -> None:
    assert mean_wait_s(Station("one", 2, 1.0), 2.0) == float("inf")
