"""What a unit of work costs each process, in processor time, measured on a real stack.

    python -m benchmarks.capacity_rates [--jobs N] [--rows N] [--clients N]

Processor seconds, not rates: on a shared machine a rate says how busy the others were, while the
work that a job needs stays nearly the same. It writes `capacity_rates.json` beside itself, with the
date and this command; `benchmarks.capacity` derives docs/capacity.md from it. The last line is the
same as one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil
import psycopg

from benchmarks import jobs
from benchmarks.queue import fanout
from benchmarks.queue.clients import rate
from netra.embedded.info import StackInfo
from netra.ingest import generate

RATES = Path(__file__).with_suffix(".json")
_NOOP = {"stages": [{"agent": "noop"}]}
_BATCH = 500


def _cpu_s(pid: int) -> float:
    """Processor seconds of a process and what it started."""
    total = 0.0
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        try:
            times = process.cpu_times()
            total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total


class Meter:
    """Processor seconds that each process spent inside a block."""

    def __init__(self, info: StackInfo) -> None:
        self.pids = {n: p for n, p in info.pids.items() if n not in ("flower", "worker-gpu")}
        with psycopg.connect(info.database_url) as pg:
            row = pg.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'netra-scheduler'"
            ).fetchone()
        # Admission is one after the other: the scheduler's own connection works for it alone.
        self.pids["scheduler-connection"] = row[0] if row else 0
        self.spent: dict[str, float] = {}

    @contextmanager
    def running(self, idle: dict[str, float] | None = None) -> Iterator[None]:
        """
        Args:
            idle: what each spends a second without work, taken off.
        """
        began, before = time.monotonic(), {n: _cpu_s(p) for n, p in self.pids.items()}
        yield
        took = time.monotonic() - began
        self.spent = {
            n: max(_cpu_s(p) - before[n] - (idle or {}).get(n, 0.0) * took, 0.0)
            for n, p in self.pids.items()
        }


def _drained(info: StackInfo) -> None:
    with psycopg.connect(info.database_url, autocommit=True) as pg:
        while pg.execute(
            "SELECT 1 FROM jobs WHERE state IN ('queued', 'running') LIMIT 1"
        ).fetchone():
            time.sleep(0.1)


def _queue(info: StackInfo, n: int) -> dict[str, float]:
    """Microseconds a one-stage job: submitted one by one, and admitted, run and told of."""
    meter = Meter(info)
    with meter.running():
        time.sleep(5)
    idle = {name: spent / 5 for name, spent in meter.spent.items()}
    number = 0

    def body() -> bytes:
        nonlocal number
        number += 1
        return msgspec.json.encode({"name": f"c{number}", "jobs": [_NOOP] * _BATCH})

    # Without workers nothing is admitted: submitting alone.
    for name in ("worker-cpu", "worker-gpu", "scheduler"):
        psutil.Process(info.pids[name]).suspend()
    with meter.running(idle):
        sent = rate(
            info.api_url, info.api_key, "/api/v1/jobs",
            lambda: msgspec.json.encode(_NOOP), clients=32, seconds=6,
        )  # fmt: skip
    with psycopg.connect(info.database_url) as pg:
        row = pg.execute("SELECT count(*) FROM jobs").fetchone()
        one_by_one = row[0] if row else 0
    print(f"submit: {sent:.0f} jobs/s, {one_by_one} jobs", file=sys.stderr)
    submit = {name: spent / one_by_one * 1e6 for name, spent in meter.spent.items()}
    for _ in range(max(1, (n - one_by_one) // _BATCH)):
        rate(info.api_url, info.api_key, "/api/v1/batches", body, clients=1, seconds=0)
    with psycopg.connect(info.database_url) as pg:
        row = pg.execute("SELECT count(*) FROM jobs").fetchone()
        waiting = row[0] if row else 0
    with meter.running(idle):
        for name in ("scheduler", "worker-gpu", "worker-cpu"):
            psutil.Process(info.pids[name]).resume()
        _drained(info)
    print(f"drained {waiting} jobs", file=sys.stderr)
    run = {name: spent / waiting * 1e6 for name, spent in meter.spent.items()}
    return {
        "api_submit_us": submit["api"],
        "postgres_submit_us": submit["postgres"],
        "valkey_submit_us": submit["valkey"],
        "scheduler_us": run["scheduler"],
        "scheduler_connection_us": run["scheduler-connection"],
        "postgres_run_us": run["postgres"],
        "valkey_run_us": run["valkey"],
        "worker_us": run["worker-cpu"],
        "api_news_us": run["api"],
    }


def _ingest(info: StackInfo, rows: int) -> dict[str, float]:
    """Microseconds an event, uploaded as Parquet through the API."""
    from netra.client import Netra

    meter = Meter(info)
    with tempfile.TemporaryDirectory(prefix="netra-bench-") as folder:
        path = Path(folder) / "events.parquet"
        generate.write(path, rows)
        with Netra(info.api_url, info.api_key, timeout_s=600) as netra, meter.running():
            made = netra.workloads.create(path, name="capacity")
    assert made.workload.events == rows
    return {
        "api_event_us": meter.spent["api"] / rows * 1e6,
        "clickhouse_event_us": meter.spent["clickhouse"] / rows * 1e6,
    }


def measure(n: int, rows: int, clients: int) -> dict[str, object]:
    with jobs.stack() as info:
        figures = _queue(info, n) | _ingest(info, rows)
    with jobs.stack() as info:
        found = fanout.measure(info, clients=clients, batches=20, rate=3000.0, seconds=6.0)
    figures["ws_message_us"] = found["ws_cpu_us"]
    figures["ws_client_kb"] = found["ws_kb_per_client"]
    return {
        "measured": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": f"python -m benchmarks.capacity_rates --jobs {n} --rows {rows}"
        f" --clients {clients}",
        "processor": f"{platform.machine()}, {psutil.cpu_count()} cores",
        "load_average": round(psutil.getloadavg()[0], 1),
        **{name: round(value, 1) for name, value in figures.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity_rates")
    parser.add_argument("--jobs", type=int, default=4000)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--clients", type=int, default=1000)
    given = parser.parse_args()
    found = measure(given.jobs, given.rows, given.clients)
    RATES.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
