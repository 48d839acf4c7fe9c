"""How soon a single job starts while another tenant has tens of thousands waiting.

    python -m benchmarks.queue.fairness [--waiting N] [--jobs N]

One tenant's batches of short stages keep every slot busy. Another's jobs come one by one; each may
wait for one running stage and twice what it takes on an idle stack: measured (p95) ÷ allowed.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from functools import partial

import numpy as np
import psycopg

from benchmarks import jobs
from benchmarks.queue.runners import held, until
from netra.client import JobRequest, Netra
from netra.embedded.info import StackInfo
from netra.settings import Database
from netra.store import postgres, tenant

WAITING, JOBS = 50_000, 60
#: How long a stage of the large tenant runs, seconds.
_STAGE_S = 0.1
_PIECE = 1000
_NOOP = JobRequest(stages=({"name": "noop", "agent": "noop"},))
_BUSY = JobRequest(
    stages=({"name": "busy", "agent": "noop", "params": {"sleep_s": _STAGE_S}},), labels={}
)


def _starts(netra: Netra, pg: psycopg.Connection, n: int) -> np.ndarray:
    """Milliseconds from sending each of `n` jobs until its stage started, one after the other."""
    turns = random.Random(n)
    found = []
    for _ in range(n):
        time.sleep(turns.uniform(0.05, 0.2))
        sent = time.time()
        job = netra.jobs.submit(_NOOP).id
        until(partial(_started, pg, job))
        found.append((_started(pg, job) - sent) * 1e3)
    return np.array(found)


def _started(pg: psycopg.Connection, job_id: str) -> float:
    """When the job's stage started, Unix seconds; 0 until it has ended."""
    row = pg.execute(
        "SELECT extract(epoch FROM started_at)::float8 FROM stages"
        " WHERE job_id = %s AND state = 'succeeded'",
        [job_id],
    ).fetchone()
    return row[0] if row else 0.0


def _stage_ms(pg: psycopg.Connection, agent_name: str) -> float:
    """How long the large tenant's stages ran, milliseconds, median."""
    row = pg.execute(
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at"
        " - started_at)) FROM stages WHERE name = %s AND state = 'succeeded'",
        [agent_name],
    ).fetchone()
    assert row is not None
    return float(row[0]) * 1e3


def measure(info: StackInfo, waiting: int = WAITING, n: int = JOBS) -> dict[str, float]:
    """Measured p95 ÷ allowed; the large tenant's jobs are left waiting."""
    with postgres.connect(Database(url=info.database_url), "bench") as made:
        key = tenant.make(made, f"small-{time.time_ns()}")
    with (
        Netra(info.api_url, info.api_key) as large,
        Netra(info.api_url, key) as small,
        psycopg.connect(info.database_url, autocommit=True) as pg,
    ):
        idle = _starts(small, pg, n)
        with held(info):
            name = f"fairness-{time.time_ns()}"
            for _ in range(0, waiting, _PIECE):
                batch = large.batches.submit(name, [_BUSY] * _PIECE).batch
        until(lambda: large.batches.get(batch.id).finished > 0)
        busy = _starts(small, pg, n)
        stage_ms = _stage_ms(pg, "busy")
        left = batch.total - large.batches.get(batch.id).finished
    allowed = stage_ms + 2 * float(np.median(idle))
    p50, p95 = np.percentile(busy, [50, 95])
    print(
        f"fairness: beside {left} jobs of another tenant a job starts after p50 {p50:.1f} ms, p95"
        f" {p95:.1f} of {n}; idle {np.median(idle):.1f}, a stage {stage_ms:.1f}, allowed"
        f" {allowed:.1f}",
        flush=True,
    )
    return {"fairness_ratio": round(float(p95) / allowed, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue.fairness")
    parser.add_argument("--waiting", type=int, default=WAITING)
    parser.add_argument("--jobs", type=int, default=JOBS)
    given = parser.parse_args()
    with jobs.stack() as info:
        print(json.dumps(measure(info, given.waiting, given.jobs)))


if __name__ == "__main__":
    main()
