"""Capacity on paper: from what a unit of work costs to what a load needs, and where it saturates.

    python -m benchmarks.capacity [--check] [--write]

Reads `capacity_rates.json` (processor time a unit of work, as `benchmarks.capacity_rates` measured
it) and prints the tables of docs/capacity.md; `--write` puts them into the page, `--check` compares
them with a simulation of the queue at every load. The last line is one JSON object.

A station of c processors, of which a job takes D seconds in all, saturates at c / D jobs a second
(utilisation law); the first one to do so is the bottleneck. Admission is one processor wide: one
scheduler admits at a time, on one connection.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.capacity_simulation import Station, mean_wait_s, simulate

RATES = Path(__file__).with_name("capacity_rates.json")
PAGE = Path(__file__).parents[1] / "docs" / "capacity.md"
#: Processors are planned to be busy for this share of the time at most.
BUSY = 0.7
#: vCPU of a primary and of a ClickHouse node (docs/tuning.md, the chart); of an API pod what its
#: one event loop can use: the pod's second processor is for uploads' threads and the system.
POSTGRES_CPU, API_CPU, CLICKHOUSE_CPU = 8, 1, 8
API_MEMORY_GB = 4.0
#: What a shard has at least, however little it is given to do: two API pods and two slots, so that
#: one of each may fail.
LEAST_API_PODS, LEAST_WORKER_SLOTS = 2, 2
PRIMARY = f"PostgreSQL primary of {POSTGRES_CPU} vCPU"
#: Loads that the page is about.
JOB_LOADS = (100, 1_000, 10_000, 100_000)
CLIENTS, MESSAGES_PER_CLIENT_S = 1_000_000, 0.1
EVENTS_A_DAY, PEAK, BYTES_AN_EVENT = 10_000_000_000, 3.0, 100
_MARK = "<!-- {} {}: python -m benchmarks.capacity --write -->"


@dataclass(frozen=True)
class Costs:
    """Processor seconds of a one-stage job at each part."""

    api: float
    scheduler: float
    postgres: float
    valkey: float
    worker: float

    @classmethod
    def of(cls, rates: dict[str, Any]) -> Costs:
        us = {name: value * 1e-6 for name, value in rates.items() if name.endswith("_us")}
        return cls(
            api=us["api_submit_us"] + us["api_news_us"],
            scheduler=us["scheduler_us"] + us["scheduler_connection_us"],
            postgres=us["postgres_submit_us"] + us["postgres_run_us"],
            valkey=us["valkey_submit_us"] + us["valkey_run_us"],
            worker=us["worker_us"],
        )

    def saturation(self) -> dict[str, float]:
        """Jobs a second at which one of each is busy all the time: a pod, a primary, a slot."""
        return {
            "API pod": API_CPU / self.api,
            "scheduler (admission)": 1 / self.scheduler,
            PRIMARY: POSTGRES_CPU / self.postgres,
            "Valkey": 1 / self.valkey,
            "worker slot": 1 / self.worker,
        }


@dataclass(frozen=True)
class Plan:
    """What a number of jobs a second needs, spread evenly over shards."""

    jobs_per_s: float
    shards: int
    #: Of one shard: its pods and workers serve no other.
    shard_api_pods: int
    shard_worker_slots: int
    #: What makes another shard necessary first.
    bound: str

    @property
    def api_pods(self) -> int:
        return self.shards * self.shard_api_pods

    @property
    def worker_slots(self) -> int:
        return self.shards * self.shard_worker_slots

    def row(self) -> list[str]:
        load, pods, slots = self.jobs_per_s, self.api_pods, self.worker_slots
        return [f"{load:,.0f}", str(self.shards), f"{pods:,}", f"{slots:,}", self.bound]


def plan(costs: Costs, jobs_per_s: float) -> Plan:
    """A shard is a PostgreSQL primary with its own scheduler, Valkey, API pods and workers.

    Tenants are spread over shards, so each part is rounded up shard by shard.
    """
    limits = {k: v for k, v in costs.saturation().items() if k not in ("API pod", "worker slot")}
    bound, most = min(limits.items(), key=lambda item: item[1])
    shards = math.ceil(jobs_per_s / (BUSY * most))
    load = jobs_per_s / shards
    return Plan(
        jobs_per_s=jobs_per_s,
        shards=shards,
        shard_api_pods=max(LEAST_API_PODS, math.ceil(load * costs.api / (BUSY * API_CPU))),
        shard_worker_slots=max(LEAST_WORKER_SLOTS, math.ceil(load * costs.worker / BUSY)),
        bound=bound,
    )


def sockets(rates: dict[str, Any]) -> dict[str, float]:
    """API pods for a million clients: by processors, by memory, and those that are needed."""
    cpu = CLIENTS * MESSAGES_PER_CLIENT_S * rates["ws_message_us"] * 1e-6 / BUSY / API_CPU
    memory = CLIENTS * rates["ws_client_kb"] / 1e6 / (BUSY * API_MEMORY_GB)
    return {"by_cpu": cpu, "by_memory": memory, "pods": math.ceil(max(cpu, memory))}


def events(rates: dict[str, Any]) -> dict[str, float]:
    """What ten thousand million events a day need of API and ClickHouse, at the peak."""
    mean = EVENTS_A_DAY / 86_400
    peak = PEAK * mean
    return {
        "mean_per_s": mean,
        "peak_per_s": peak,
        "api_pods": math.ceil(peak * rates["api_event_us"] * 1e-6 / BUSY / API_CPU),
        "clickhouse_shards": math.ceil(
            peak * rates["clickhouse_event_us"] * 1e-6 / BUSY / CLICKHOUSE_CPU
        ),
        "tb_a_month": EVENTS_A_DAY * 30 * BYTES_AN_EVENT / 1e12,
    }


def stations(costs: Costs, found: Plan) -> list[Station]:
    """One shard of a plan, as the simulation runs it: a job visits them in this order."""
    return [
        Station("API", found.shard_api_pods * API_CPU, costs.api),
        Station("scheduler (admission)", 1, costs.scheduler),
        Station(PRIMARY, POSTGRES_CPU, costs.postgres),
        Station("Valkey", 1, costs.valkey),
        Station("workers", found.shard_worker_slots, costs.worker),
    ]


def checked(costs: Costs, jobs_per_s: float, jobs: int = 60_000) -> dict[str, float]:
    """One shard, analysed and simulated: where it saturates, and how long a job waits at its load.

    Returns:
        Jobs a second and seconds, and by how much each pair differs (relative).
    """
    found = plan(costs, jobs_per_s)
    row = stations(costs, found)
    most = min(s.servers / s.service_s for s in row)
    load = jobs_per_s / found.shards
    overloaded = simulate(row, 1.5 * most, jobs, seed=1)
    steady = simulate(row, load, jobs, seed=2)
    waits = sum(mean_wait_s(s, load) + s.service_s for s in row)
    return {
        "saturation": most,
        "simulated_saturation": overloaded.per_s,
        "saturation_error": overloaded.per_s / most - 1,
        "response_s": waits,
        "simulated_response_s": steady.response_s,
        "response_error": steady.response_s / waits - 1,
    }


def tables(rates: dict[str, Any]) -> str:
    """The derived part of the page."""
    costs = Costs.of(rates)
    lines = [
        f"Measured {rates['measured']} on {rates['processor']} by `{rates['command']}`"
        f" (load average {rates['load_average']}: processor time, not rates).",
        "",
        *_table(
            ["part", "processor time a job", "one of it saturates at"],
            [
                [name, f"{cpu * 1e6:,.0f} µs", f"{per_s:,.0f} jobs/s"]
                for (name, per_s), cpu in zip(
                    costs.saturation().items(),
                    (costs.api, costs.scheduler, costs.postgres, costs.valkey, costs.worker),
                    strict=True,
                )
            ],
        ),
        "",
        *_table(
            ["jobs/s", "shards", "API pods", "worker slots (no-op)", "a shard is bound by"],
            [plan(costs, load).row() for load in JOB_LOADS],
        ),
        "",
        "Pods and slots are of all shards together. Each shard has its own, rounded up by itself,"
        f" and at least {LEAST_API_PODS} API pods and {LEAST_WORKER_SLOTS} slots, so that one of"
        " each may fail.",
        "",
    ]
    ws, ev = sockets(rates), events(rates)
    lines += _table(
        ["load", "needs", "bound by"],
        [
            [
                f"{CLIENTS:,} WebSocket clients, {MESSAGES_PER_CLIENT_S:g} messages/s each",
                f"{ws['pods']:,.0f} API pods ({rates['ws_client_kb']:g} kB a client,"
                f" {rates['ws_message_us']:g} µs a message)",
                "memory" if ws["by_memory"] > ws["by_cpu"] else "processors",
            ],
            [
                f"{EVENTS_A_DAY:,} events a day ({ev['mean_per_s']:,.0f}/s, {PEAK:g} × at peak)",
                f"{ev['api_pods']:,.0f} API pods for ingest, {ev['clickhouse_shards']:,.0f}"
                f" ClickHouse shards of {CLICKHOUSE_CPU} vCPU, about {ev['tb_a_month']:,.0f} TB a"
                " month",
                "processors of ingest",
            ],
        ],
    )
    return "\n".join(lines)


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    made = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(row) + " |" for row in made]


def between_marks(page: str, text: str) -> str:
    """The page with its derived part replaced."""
    begin, end = _MARK.format("begin", "derived"), _MARK.format("end", "derived")
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity")
    parser.add_argument("--write", action="store_true", help="into docs/capacity.md")
    parser.add_argument("--check", action="store_true", help="beside a simulation")
    given = parser.parse_args()
    rates = json.loads(RATES.read_text())
    print(tables(rates))
    if given.write:
        PAGE.write_text(between_marks(PAGE.read_text(), tables(rates)))
    found: dict[str, Any] = {}
    if given.check:
        for load in JOB_LOADS:
            one = checked(Costs.of(rates), load)
            print(
                f"{load:,} jobs/s, a shard: saturates at {one['saturation']:,.0f}, simulated"
                f" {one['simulated_saturation']:,.0f} ({one['saturation_error']:+.1%}); a job takes"
                f" {one['response_s'] * 1e3:.2f} ms, simulated"
                f" {one['simulated_response_s'] * 1e3:.2f} ({one['response_error']:+.1%})"
            )
            found[f"capacity_{load}"] = one
    print(json.dumps(found))


if __name__ == "__main__":
    main()
