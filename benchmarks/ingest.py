"""Ingest, end to end, beside a bare clickhouse-connect Arrow insert of the same batches.

    python -m benchmarks.ingest [ROWS] [--memory]

Generates ROWS events (default 1,000,000) as Parquet and as CSV. Ingest is everything from the
file to visible events: hash, parse, validate, insert, deduplicate, publish. The bare insert gets
the parsed batches from memory, exactly as ingest sends them. Both run in turns against the same
server, the best of each counts. The ratio is that of the worse format, and the machine's load
average is printed beside it: on a busy machine both rates say little. `--memory` measures
instead the peak resident memory of a process that ingests 5,000,000 events.

The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa

from benchmarks.stores import stores
from netra.ids import new_id
from netra.ingest import generate
from netra.ingest.load import load
from netra.ingest.merge import merged
from netra.ingest.trace import Trace
from netra.settings import Settings
from netra.store import clickhouse, event_dedupe, events, postgres
from netra.store.events import Scope

ROWS = 1_000_000
MEMORY_ROWS = 5_000_000
_TURNS = 3
_TENANT = "default"


class Bench:
    """The stores, and workloads in them that are gone at the end."""

    def __init__(self, settings: Settings) -> None:
        self.client = clickhouse.connect(settings.clickhouse)
        self.pg = postgres.connect(settings.database, "bench")

    def workload(self) -> UUID:
        workload_id = new_id()
        self.pg.execute(
            "INSERT INTO workloads (id, tenant_id, name) VALUES (%s, %s, %s)",
            [workload_id, _TENANT, f"bench-{workload_id}"],
        )
        return workload_id

    def forget(self, workload_id: UUID) -> None:
        events.delete_workload(self.client, tenant_id=_TENANT, workload_id=workload_id, wait=True)

    def ingest(self, path: Path, rows: int) -> float:
        """Seconds from the file to `rows` visible events."""
        workload_id = self.workload()
        began = time.perf_counter()
        outcome = load(
            path, tenant_id=_TENANT, workload_id=workload_id, client=self.client, pg=self.pg
        )
        took = time.perf_counter() - began
        assert outcome.events == rows, outcome
        self.forget(workload_id)
        return took

    def bare_insert(self, batches: list[pa.RecordBatch], rows: int) -> float:
        """Seconds that clickhouse-connect alone needs for the same rows."""
        scope = Scope(tenant_id=_TENANT, workload_id=self.workload(), ingest_ids=(new_id(),))
        tables = [events.as_sent(batch, scope) for batch in batches]
        began = time.perf_counter()
        for table in tables:
            self.client.insert_arrow(events.TABLE, table)
        took = time.perf_counter() - began
        found = event_dedupe.count(self.client, scope)
        assert found == rows, found
        self.forget(scope.workload_id)
        return took


def measure(rows: int = ROWS) -> dict[str, Any]:
    """Rows a second of ingest and of the bare insert, by format, and the worse of the ratios."""
    figures: dict[str, Any] = {"ingest_rows": rows}
    with stores() as settings, tempfile.TemporaryDirectory(prefix="netra-bench-") as folder:
        bench = Bench(settings)
        for suffix in ("parquet", "csv"):
            path = Path(folder) / f"events.{suffix}"
            generate.write(path, rows)
            batches = [piece.batch for piece in merged(Trace(path).pieces)]
            best = _in_turns(
                lambda path=path: bench.ingest(path, rows),
                lambda batches=batches: bench.bare_insert(batches, rows),
            )
            figures[f"ingest_{suffix}_rows_per_s"] = round(rows / best[0])
            figures[f"bare_insert_{suffix}_rows_per_s"] = round(rows / best[1])
            figures[f"ingest_{suffix}_ratio"] = round(best[1] / best[0], 3)
            print(f"{suffix}: ingest {rows / best[0]:,.0f} rows/s, bare {rows / best[1]:,.0f}")
    worse = min(("parquet", "csv"), key=lambda suffix: figures[f"ingest_{suffix}_ratio"])
    figures["ingest_load_average"] = round(os.getloadavg()[0], 1)
    figures["ingest_rows_per_s"] = figures[f"ingest_{worse}_rows_per_s"]
    figures["ingest_ratio"] = figures[f"ingest_{worse}_ratio"]
    return figures


def _in_turns(first: Callable[[], float], second: Callable[[], float]) -> tuple[float, float]:
    """The best of each, run alternately: other load on the machine meets both."""
    times = [(first(), second()) for _ in range(_TURNS)]
    return min(t[0] for t in times), min(t[1] for t in times)


def measure_memory(rows: int = MEMORY_ROWS) -> dict[str, Any]:
    """Peak resident memory, MB, of a fresh process that ingests `rows` events from Parquet."""
    with stores() as settings, tempfile.TemporaryDirectory(prefix="netra-bench-") as folder:
        path = Path(folder) / "events.parquet"
        generate.write(path, rows, days=90)
        bench = Bench(settings)
        workload_id = bench.workload()
        urls = (settings.clickhouse.url, settings.database.url)
        child = subprocess.run(
            [sys.executable, "-m", "benchmarks.ingest", "--load", str(path), str(workload_id)],
            input="\n".join(urls),
            capture_output=True,
            text=True,
            check=True,
        )
        bench.forget(workload_id)
    return {"ingest_memory_rows": rows, **json.loads(child.stdout.splitlines()[-1])}


def _load_and_report(path: Path, workload_id: UUID) -> dict[str, Any]:
    clickhouse_url, database_url = sys.stdin.read().splitlines()
    from netra.settings import ClickHouse, Database

    client = clickhouse.connect(ClickHouse(url=clickhouse_url))
    pg = postgres.connect(Database(url=database_url), "bench")
    began = time.perf_counter()
    outcome = load(path, tenant_id=_TENANT, workload_id=workload_id, client=client, pg=pg)
    took = time.perf_counter() - began
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"ingest_peak_mb": round(peak_kb / 1e3), "rows_per_s": round(outcome.rows / took)}


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--load"]:
        print(json.dumps(_load_and_report(Path(arguments[1]), UUID(arguments[2]))))
    elif "--memory" in arguments:
        print(json.dumps(measure_memory()))
    else:
        print(json.dumps(measure(int(arguments[0]) if arguments else ROWS)))


if __name__ == "__main__":
    main(sys.argv[1:])
