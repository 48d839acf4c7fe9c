"""Round trips of Dramatiq and Procrastinate, on the same Valkey and PostgreSQL.

    python -m benchmarks.queue.peers [--jobs N]

They are installed with hashes into an environment of their own, `build/tools/queue-peers`, since
they are no part of Netra. Each has as many processes as Netra's worker, and one job at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import psycopg

from benchmarks import jobs
from netra.embedded.info import StackInfo
from netra.settings import load
from tests.deploy.tools import environment

JOBS = 240
_HERE = Path(__file__).parent
_DATABASE = "procrastinate"


@contextmanager
def _running(url: str, *commands: list[str]) -> Iterator[dict[str, str]]:
    """Workers, for the length of the block; the environment that they run in."""
    given = {**os.environ, "PEER_URL": url, "PYTHONPATH": str(_HERE), "PYTHONWARNINGS": "ignore"}
    with ExitStack() as held:
        for command in commands:
            worker = held.enter_context(
                subprocess.Popen(
                    command, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            )
            held.callback(worker.terminate)
        yield given


def _times(program: str, environ: dict[str, str], n: int) -> list[float]:
    command = [str(environment("queue-peers") / "python"), str(_HERE / program), str(n)]
    made = subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE, timeout=300)
    return json.loads(made.stdout)


def _dramatiq(info: StackInfo, processes: int, n: int) -> list[float]:
    base, _, _ = info.redis_url.rpartition("/")
    worker = [str(environment("queue-peers") / "dramatiq"), "peer_dramatiq"]
    worker += ["--processes", str(processes), "--threads", "1"]
    with _running(f"{base}/10", worker) as environ:
        return _times("peer_dramatiq.py", environ, n)


def _procrastinate(info: StackInfo, processes: int, n: int) -> list[float]:
    with psycopg.connect(info.database_url, autocommit=True) as pg:
        pg.execute(f"CREATE DATABASE {_DATABASE}".encode())
    url = urlunsplit(urlsplit(info.database_url)._replace(path=f"/{_DATABASE}"))
    program = [str(environment("queue-peers") / "procrastinate"), "--app=peer_procrastinate.app"]
    worker = [*program, "worker", "--concurrency", "1"]
    try:
        with _running(url) as environ:
            schema = [*program, "schema", "--apply"]
            subprocess.run(schema, env=environ, check=True, stdout=subprocess.DEVNULL, timeout=60)
        with _running(url, *[worker] * processes) as environ:
            return _times("peer_procrastinate.py", environ, n)
    finally:
        with psycopg.connect(info.database_url, autocommit=True) as pg:
            pg.execute(f"DROP DATABASE {_DATABASE} WITH (FORCE)".encode())


def measure(info: StackInfo, n: int = JOBS) -> None:
    """Prints p50 and p99 of each peer's round trip."""
    processes = load().workers.cpu_concurrency
    for name, times in (
        ("Dramatiq", _dramatiq(info, processes, n)),
        ("Procrastinate", _procrastinate(info, processes, n)),
    ):
        p50, p99 = np.percentile(times, [50, 99])
        print(f"latency: {name} round trip p50 {p50:.1f} ms, p99 {p99:.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue.peers")
    parser.add_argument("--jobs", type=int, default=JOBS)
    given = parser.parse_args()
    with jobs.stack() as info:
        measure(info, given.jobs)


if __name__ == "__main__":
    main()
