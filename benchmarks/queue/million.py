"""Listing, showing and admitting over a million finished jobs, beside the same over a thousand.

    python -m benchmarks.queue.million [--jobs N] [--rounds N]

Two stacks of stores and API, one of each size, are asked in turns, so that other load on the
machine meets both. The history is loaded straight into the tables, as real jobs would have left it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psycopg

from benchmarks import jobs
from netra.client import JobRequest, Netra
from netra.embedded.info import StackInfo
from netra.embedded.processes import STORES
from netra.ids import new_id
from netra.settings import Database, Settings
from netra.store import postgres
from netra.store.queue import Queue

JOBS, FEW, ROUNDS = 1_000_000, 1_000, 60
#: Jobs loaded in one transaction.
_PIECE = 100_000
_WARM_UP = 8
_ADMITTING = "admitting"
_SUBMITTING = "a job is submitted and admitted at once"
_TENANT = "default"
_HISTORY = (Path(__file__).parent / "history.sql").read_text()
_NOOP = JobRequest(stages=({"name": "noop", "agent": "noop"},))


def load(info: StackInfo, n: int) -> None:
    """Writes `n` finished jobs, and has PostgreSQL look at what it holds."""
    with psycopg.connect(info.database_url) as connection:
        for first in range(0, n, _PIECE):
            # Rows refer to rows of the same load, and a real job's were checked one by one.
            connection.execute("SET LOCAL session_replication_role = replica")
            last = min(n, first + _PIECE) - 1
            # One statement at a time, since they have parameters.
            for statement in _HISTORY.split(";\n"):
                if statement.strip():
                    values = {"first": first, "last": last, "tenant": _TENANT}
                    psycopg.ClientCursor(connection).execute(statement.encode(), values)
            connection.commit()
    with psycopg.connect(info.database_url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


@dataclass
class Side:
    """A stack with a history of some length, and what is asked of it."""

    info: StackInfo
    queue: Queue
    times: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = urlsplit(self.info.api_url)
        self.http = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        self.netra = Netra(self.info.api_url, self.info.api_key)
        self.worker = new_id()
        self.asked_at = 0.0
        found = self._connection().execute(
            "SELECT id::text, batch_id::text FROM jobs ORDER BY id OFFSET 505 LIMIT 1"
        )
        self.job, self.batch = found.fetchone() or ("", "")
        deep = self.get("/api/v1/jobs?limit=200")
        self.cursor = deep["next"]
        self.asked = self._calls()

    def _connection(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.info.database_url, autocommit=True)

    def get(self, path: str) -> Any:
        if time.monotonic() - self.asked_at > 3:
            self.http.close()  # the server has done so, or will just now; it is opened again
        self.asked_at = time.monotonic()
        headers = {"X-API-Key": self.info.api_key}
        self.http.request("GET", path, headers=headers)
        answer = self.http.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
        return json.loads(body)

    def _calls(self) -> dict[str, Callable[[], Any]]:
        """Requests that are timed, by name."""
        lists = {
            "jobs": "/jobs",
            "jobs, second page": f"/jobs?cursor={self.cursor}",
            "jobs that succeeded": "/jobs?state=succeeded",
            "jobs that failed or were cancelled": "/jobs?state=failed&state=cancelled",
            "jobs that run or wait": "/jobs?state=running&state=queued",
            "jobs with a label": "/jobs?label.run=0",
            "jobs with a common label": "/jobs?label.team=1",
            "jobs of a label that nobody has": "/jobs?label.team=nobody",
            "jobs of a pipeline": "/jobs?pipeline=nightly",
            "jobs of a batch": f"/batches/{self.batch}/jobs",
            "results of a batch": f"/batches/{self.batch}/results",
            "batches": "/batches",
            "a batch": f"/batches/{self.batch}",
            "a job": f"/jobs/{self.job}",
            "facts of a job": f"/jobs/{self.job}/facts",
            "dead letters": "/dead-letters",
            "recommendations": "/recommendations",
        }
        return {name: partial(self.get, f"/api/v1{path}") for name, path in lists.items()}

    def time(self, name: str) -> None:
        if name == _ADMITTING:
            took = self._admit()
        elif name == _SUBMITTING:
            took = self._submit()
        else:
            began = time.perf_counter()
            self.asked[name]()
            took = (time.perf_counter() - began) * 1e3
        self.times.setdefault(name, []).append(took)

    def _submit(self) -> float:
        """Milliseconds to submit a job that is admitted at once, to a worker with slots."""
        self._slots()
        began = time.perf_counter()
        job = self.netra.jobs.submit(_NOOP)
        took = (time.perf_counter() - began) * 1e3
        (stage,) = self.get(f"/api/v1/jobs/{job.id}")["stages"]
        if stage["state"] != "admitted":
            raise RuntimeError(f"the stage is {stage['state']}, not admitted")
        self.netra.jobs.cancel(job.id)
        return took

    def _slots(self) -> None:
        self.queue.register(
            self.worker, pool="cpu", host="bench", pid=1, concurrency=4, device="cpu"
        )

    def _admit(self) -> float:
        """Milliseconds to admit a job that is ready, to a worker with slots."""
        settings = Settings().queue
        # As long as there is no slot, the API admits nothing by itself.
        self.queue.deregister(self.worker)
        job = self.netra.jobs.submit(_NOOP)
        self._slots()
        began = time.perf_counter()
        answer = self.queue.admit(
            ["cpu"],
            ahead=settings.admit_ahead,
            stale_s=settings.worker_stale_s,
            readmit_s=settings.readmit_s,
        )["cpu"]
        took = (time.perf_counter() - began) * 1e3
        if len(answer["messages"]) != 1:
            raise RuntimeError(f"{len(answer['messages'])} stages were admitted, not one")
        self.netra.jobs.cancel(job.id)
        return took


@contextmanager
def _side(n: int) -> Iterator[Side]:
    with jobs.stack((*STORES, "migrate", "api")) as info:
        began = time.monotonic()
        load(info, n)
        print(f"{n} finished jobs loaded in {time.monotonic() - began:.0f} s", flush=True)
        with postgres.connect(Database(url=info.database_url), "bench") as connection:
            yield Side(info, Queue(connection))


def measure(n: int = JOBS, rounds: int = ROUNDS) -> dict[str, float]:
    """The worst of all ratios of medians."""
    with _side(FEW) as few, _side(n) as many:
        for turn in range(_WARM_UP + rounds):
            if turn == _WARM_UP:  # plans and caches have settled
                few.times.clear()
                many.times.clear()
            for name in (*few.asked, _ADMITTING, _SUBMITTING):
                few.time(name)
                many.time(name)
    ratios: dict[str, float] = {}
    for name in few.times:
        small, large = np.median(few.times[name]), np.median(many.times[name])
        ratios[name] = float(large / small)
        print(f"{name}: {large:.2f} ms, of {FEW} {small:.2f}; {ratios[name]:.2f}", flush=True)
    return {"million_ratio": round(max(ratios.values()), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue.million")
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    print(json.dumps(measure(given.jobs, given.rounds)))


if __name__ == "__main__":
    main()
