"""Facts to WebSocket clients: thousands of them on one API process, some of which never read.

    python -m benchmarks.queue.fanout [--clients N] [--batches N] [--rate N] [--seconds N]

Every client follows a batch with a ticket of its own. A fact is written as any is, in a
transaction, and then published as any is; how late it is counts from before the transaction.
Nothing but the API runs meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import redis

from benchmarks import jobs
from netra.client import JobRequest, Netra
from netra.embedded.info import StackInfo
from netra.progress.line import Line
from netra.progress.publish import commands
from netra.settings import Progress

CLIENTS, BATCHES, RATE, SECONDS = 2000, 20, 21_000.0, 10.0
_JOBS = 5
_STALLED = 100
#: What clients that do not read are sent until the server has to wait for them, bytes each.
_FLOOD, _FLOOD_FACT = 600_000, 4_000
_NOOP = JobRequest(stages=({"name": "noop", "agent": "noop"},))
_FLOOD_PHASE = 3


class Crowd:
    """The process that holds the clients."""

    def __init__(self, info: StackInfo) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.queue.followers", info.api_url],
            env={**os.environ, "NETRA_API_KEY": info.api_key},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, what: str, **arguments: Any) -> dict[str, Any]:
        """
        Raises:
            RuntimeError: the process is gone; it has said why.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps({"do": what, **arguments}), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("the clients' process ended")
        return json.loads(answer)


@contextmanager
def crowd_of(info: StackInfo) -> Iterator[Crowd]:
    """A process for clients, for the length of the block."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd(info)
    try:
        yield crowd
    finally:
        assert crowd.process.stdin is not None
        crowd.process.stdin.close()
        crowd.process.kill()
        crowd.process.wait()


class Teller:
    """Makes facts true, and tells of them."""

    def __init__(self, postgres: psycopg.Connection, client: redis.Redis) -> None:
        self.postgres = postgres
        self.line: Line[int] = Line(client, "facts")

    def tell(self, jobs: Sequence[str], phase: int, filling: str = "") -> None:
        """Writes a fact of each job in one transaction, then publishes them."""
        payload = {"phase": phase, "sent": time.monotonic(), "filling": filling}
        rows = self.postgres.execute(
            "SELECT netra_fact(id, 'stage.progress', 'noop', %s) FROM unnest(%s::uuid[]) AS id",
            [json.dumps(payload), list(jobs)],
        ).fetchall()
        if not (
            self.line.say(commands([fact for (fact,) in rows], Progress()), phase)
            and self.line.confirmed(within_s=5)
        ):
            raise RuntimeError("Redis is away")

    def tell_all(self, batches: list[list[str]], phase: int, n: int, per_s: float) -> None:
        """Tells `n` facts of the batches' jobs in turn, at a steady rate: whatever is due."""
        began, done = time.monotonic(), 0
        while done < n:
            due = min(n, 1 + int((time.monotonic() - began) * per_s))
            if due == done:
                time.sleep(max(0.0, began + done / per_s - time.monotonic()))
                continue
            turns = [divmod(i, len(batches)) for i in range(done, due)]
            self.tell([batches[b][turn % len(batches[b])] for turn, b in turns], phase)
            done = due


@contextmanager
def _teller(info: StackInfo) -> Iterator[Teller]:
    with (
        psycopg.connect(info.database_url, autocommit=True) as postgres,
        redis.Redis.from_url(info.redis_url) as client,
    ):
        yield Teller(postgres, client)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What came of a number of facts."""

    per_s: float
    p50_ms: float
    p99_ms: float
    lost: int
    #: Facts that were not the next of their job.
    gaps: int
    #: The API's processor time for a message, microseconds.
    cpu_us: float

    def __str__(self) -> str:
        return (
            f"{self.per_s:.0f} messages/s, p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f},"
            f" {self.cpu_us:.0f} us of the API each; lost {self.lost}, out of order {self.gaps}"
        )


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The API, its clients, and the jobs of the batches that they follow."""

    api: psutil.Process
    crowd: Crowd
    teller: Teller
    jobs: list[list[str]]
    #: Clients that follow each batch.
    each: int

    def run(self, phase: int, rate: float, seconds: float) -> Phase:
        """Tells facts, so that clients together are sent `rate` messages a second.

        Raises:
            RuntimeError: clients were sent errors, or away.
        """
        facts = round(rate / self.each * seconds)
        began, busy = time.monotonic(), sum(self.api.cpu_times()[:2])
        self.teller.tell_all(self.jobs, phase, facts, rate / self.each)
        found = self.crowd.do("report", phase=phase, expected=facts * self.each, stalls=False)
        took = time.monotonic() - began
        if found["errors"] or not found["received"]:
            raise RuntimeError(f"clients were told {found['errors']}")
        return Phase(
            per_s=found["received"] / took,
            p50_ms=found["p50_ms"],
            p99_ms=found["p99_ms"],
            lost=facts * self.each - found["received"],
            gaps=found["gaps"],
            cpu_us=(sum(self.api.cpu_times()[:2]) - busy) / found["received"] * 1e6,
        )

    def stall(self, batches: list[str], flood: str, flooded: str) -> int:
        """Opens clients that read nothing, and sends them more than the server keeps for any.

        Args:
            batches: what they follow beside others.
            flood: a batch that they follow alone.
            flooded: its job.

        Returns:
            Facts that were sent to each.
        """
        per_batch = _STALLED // len(batches)
        for batch in batches:
            self.crowd.do("open", batches=[batch, flood], n=per_batch, stalls=True)
        facts = _FLOOD // _FLOOD_FACT
        for _ in range(facts):
            self.teller.tell([flooded], _FLOOD_PHASE, "x" * _FLOOD_FACT)
        return facts


def _pss_kb(pid: int) -> float:
    """The process's share of memory, kB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("Pss:"))


def measure(
    info: StackInfo,
    *,
    clients: int = CLIENTS,
    batches: int = BATCHES,
    rate: float = RATE,
    seconds: float = SECONDS,
) -> dict[str, float]:
    """Args:
    rate: messages a second that are offered to all clients together.

    Raises:
        RuntimeError: a fact was lost, or came out of turn.
    """
    api = psutil.Process(info.pids["api"])
    with (
        Netra(info.api_url, info.api_key) as netra,
        crowd_of(info) as crowd,
        _teller(info) as teller,
    ):
        names = [f"fanout-{time.time_ns()}-{i}" for i in range(batches + 1)]
        made = [netra.batches.submit(name, [_NOOP] * _JOBS) for name in names]
        *ids, flood = [answer.batch.id for answer in made]
        *told, flooded = [[job.id for job in answer.jobs] for answer in made]
        scene = Scene(api=api, crowd=crowd, teller=teller, jobs=told, each=clients // batches)
        before, began = _pss_kb(api.pid), time.monotonic()
        for batch in ids:
            crowd.do("open", batches=[batch], n=scene.each, stalls=False)
        print(f"fan-out: {clients} clients in {time.monotonic() - began:.1f} s", flush=True)
        scene.run(0, rate, 1.0)
        alone = scene.run(1, rate, seconds)
        grown = (_pss_kb(api.pid) - before) / clients
        print(f"fan-out: {alone}; {grown:.1f} kB a client", flush=True)
        facts = scene.stall(ids, flood, flooded[0])
        beside = scene.run(2, rate, seconds)
        print(f"fan-out beside {_STALLED} clients that do not read: {beside}", flush=True)
        crowd.do("resume")
        late = crowd.do("report", phase=_FLOOD_PHASE, expected=facts * _STALLED, stalls=True)
        print(f"fan-out: then they read {late['received']} of {facts * _STALLED} facts", flush=True)
    lost = alone.lost + beside.lost + facts * _STALLED - late["received"]
    if lost or beside.gaps or late["gaps"]:
        raise RuntimeError(f"fan-out: {lost} facts lost, {beside.gaps + late['gaps']} out of order")
    return {
        "ws_messages_per_s": round(alone.per_s),
        "ws_p99_ms": round(alone.p99_ms, 1),
        "ws_cpu_us": round(alone.cpu_us, 1),
        "ws_kb_per_client": round(grown, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue.fanout")
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--batches", type=int, default=BATCHES, help="that they follow")
    parser.add_argument("--rate", type=float, default=RATE, help="messages a second")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    with jobs.stack() as info:
        print(
            json.dumps(
                measure(
                    info,
                    clients=given.clients,
                    batches=given.batches,
                    rate=given.rate,
                    seconds=given.seconds,
                )
            )
        )


if __name__ == "__main__":
    main()
