"""From submitting a one-stage job to knowing that it has finished, beside a bare Celery round trip.

    python -m benchmarks.jobs [JOBS]

The job is a `noop` on an idle embedded stack: a client sends it over HTTP, the scheduler admits
it, a worker runs it, and its last fact comes back over the client's WebSocket. The round trip is
`task.delay().get()` of a task that does nothing, with a Redis result backend on the same Valkey.
Both are measured one after the other (JOBS of each, default 240), in turns, so that other load
on the machine meets both.

The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from websockets.sync.client import ClientConnection, connect

from benchmarks import bare_celery
from netra.client import JobRequest, Netra
from netra.embedded.info import StackInfo
from netra.embedded.processes import ALL
from netra.embedded.supervisor import running_stack
from netra.settings import ALIASES, load

JOBS = 240
_TURNS = 4
_WARM_UP = 20
_NOOP = JobRequest(stages=({"name": "noop", "agent": "noop"},))


@contextmanager
def stack(components: Collection[str] = ALL) -> Iterator[StackInfo]:
    """An embedded stack of its own, with these of its processes."""
    plain = {name: value for name, value in os.environ.items() if name not in ALIASES}
    free_ports = {"NETRA_EMBEDDED_API_PORT": "0", "NETRA_EMBEDDED_FLOWER_PORT": "0"}
    home = Path(tempfile.mkdtemp(prefix="netra-bench-"))
    # PostgreSQL may run as another user, which has to get through.
    home.chmod(0o711)
    try:
        with running_stack(home, components, settings=load({**plain, **free_ports})) as info:
            yield info
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _celery(url: str) -> Iterator[None]:
    """A worker of the bare app, with as many processes as Netra's cpu worker."""
    command = [
        sys.executable,
        "-m",
        "celery",
        "--quiet",
        "--app",
        "benchmarks.bare_celery",
        "worker",
        "--concurrency",
        str(load().workers.cpu_concurrency),
        "--without-gossip",
        "--without-mingle",
        "--loglevel",
        "ERROR",
    ]
    with subprocess.Popen(
        command,
        env={**os.environ, bare_celery.URL: url, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.DEVNULL,
    ) as worker:
        bare_celery.app.conf.update(broker_url=url, result_backend=url)
        try:
            yield
        finally:
            worker.terminate()


def job(netra: Netra, socket: ClientConnection) -> float:
    """Milliseconds from sending a job to its last fact."""
    began = time.perf_counter()
    made = netra.jobs.submit(_NOOP)
    socket.send(json.dumps({"type": "subscribe", "job_id": made.id}))
    while True:
        message = json.loads(socket.recv(timeout=30))
        if message["type"] == "error":
            raise RuntimeError(message["detail"])
        if message.get("kind") == "job.succeeded" and message["job_id"] == made.id:
            return (time.perf_counter() - began) * 1e3


def round_trip() -> float:
    """Milliseconds from sending a task to its result."""
    began = time.perf_counter()
    bare_celery.nothing.delay().get(timeout=30)
    return (time.perf_counter() - began) * 1e3


def in_turns(
    first: Callable[[], float], second: Callable[[], float], n: int, pause_s: float = 0
) -> list[np.ndarray]:
    """What two measures answer, `n` times each, in turns; each begins after a pause."""
    for measure in (first, second):
        for _ in range(_WARM_UP):
            measure()
    each = -(-n // _TURNS)
    times: list[list[float]] = [[], []]
    for _ in range(_TURNS):
        for kept, measure in zip(times, (first, second), strict=True):
            for _ in range(each):
                time.sleep(pause_s)
                kept.append(measure())
    return [np.array(kept) for kept in times]


def measure(n: int = JOBS) -> dict[str, float]:
    """Percentiles of both, in milliseconds."""
    with stack() as info, _celery(other_database(info.redis_url)):
        ws_url = info.api_url.replace("http", "ws", 1) + "/ws"
        with (
            Netra(info.api_url, info.api_key) as netra,
            connect(ws_url, additional_headers={"X-API-Key": info.api_key}) as socket,
        ):
            jobs, tasks = in_turns(lambda: job(netra, socket), round_trip, n)
    figures = {"jobs": len(jobs)}
    for name, times in (("job_latency", jobs), ("celery_round_trip", tasks)):
        p50, p99 = np.percentile(times, [50, 99])
        print(f"{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, of {len(times)}")
        figures |= {f"{name}_p50_ms": round(p50, 2), f"{name}_p99_ms": round(p99, 2)}
    return figures


def other_database(url: str) -> str:
    """The same server, and none of Netra's keys."""
    base, _, _ = url.rpartition("/")
    return f"{base}/9"


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else JOBS)))
