"""The durable queue, each figure beside its peer in the same run.

    python -m benchmarks.queue [--seconds N] [--stages N] [--jobs N] [--waiting N] [--finished N]
    python -m benchmarks.queue --soak SECONDS
    python -m benchmarks.queue --batch JOBS

Ratios hold on a shared machine; rates and latencies only if others were quiet: the share of the
processors that others took is printed.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import psutil
from websockets.sync.client import connect

from benchmarks import bare_celery, jobs
from benchmarks.queue import drain, fairness, fanout, giant, million, peers, soak, submit
from benchmarks.queue.runners import held
from netra.client import Netra
from netra.embedded.info import StackInfo
from netra.settings import load

#: Jobs one after the other find warm caches and processors awake; on a quiet installation they do
#: not. Longer than anything that follows a job, seconds.
_REST_S = 0.1
#: The object's keys, in order.
_KEYS = (
    "submit_ratio",
    "submit_coalesced_ratio",
    "batch_jobs_per_s",
    "latency_p50_ms",
    "latency_p99_ms",
    "celery_round_trip_p50_ms",
    "drain_ratio",
    "drain_short_ratio",
    "ws_messages_per_s",
    "ws_p99_ms",
    "ws_kb_per_client",
    "fairness_ratio",
    "million_ratio",
)


@contextmanager
def _bare_worker(url: str) -> Iterator[int]:
    """A bare Celery worker of as many processes as Netra's, in a process group of its own."""
    command = [
        *(sys.executable, "-m", "celery", "--quiet", "--app", "benchmarks.bare_celery", "worker"),
        *("--concurrency", str(load().workers.cpu_concurrency), "--without-gossip"),
        *("--without-mingle", "--loglevel", "ERROR"),
    ]
    with subprocess.Popen(
        command,
        env={**os.environ, bare_celery.URL: url, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as worker:
        bare_celery.app.conf.update(broker_url=url, result_backend=url)
        bare_celery.nothing.delay().get(timeout=60)
        try:
            yield worker.pid
        finally:
            os.killpg(worker.pid, signal.SIGCONT)
            worker.terminate()


def _latency(info: StackInfo, n: int) -> dict[str, float]:
    url = info.api_url.replace("http", "ws", 1) + "/ws"
    with (
        Netra(info.api_url, info.api_key) as netra,
        connect(url, additional_headers={"X-API-Key": info.api_key}) as socket,
    ):
        own, peer = jobs.in_turns(lambda: jobs.job(netra, socket), jobs.round_trip, n)
        rested = jobs.in_turns(lambda: jobs.job(netra, socket), jobs.round_trip, n // 2, _REST_S)
    own50, own99, peer50 = *np.percentile(own, [50, 99]), np.percentile(peer, 50)
    print(f"latency: p50 {own50:.1f} ms, p99 {own99:.1f}; Celery round trip p50 {peer50:.1f}")
    (rested50, rested99), rested_peer50 = np.percentile(rested[0], [50, 99]), np.median(rested[1])
    print(
        f"latency after {_REST_S:g} s in which nothing ran: p50 {rested50:.1f} ms,"
        f" p99 {rested99:.1f}; Celery round trip p50 {rested_peer50:.1f}",
        flush=True,
    )
    return {
        "latency_p50_ms": round(float(own50), 2),
        "latency_p99_ms": round(float(own99), 2),
        "celery_round_trip_p50_ms": round(float(peer50), 2),
    }


def _busy_s() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0)


def _own_s() -> float:
    """Processor seconds of this process and of all below it, those that have ended included."""
    total = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


@contextmanager
def _others() -> Iterator[None]:
    """Prints the share of the processors that others took meanwhile."""
    busy, own, began = _busy_s(), _own_s(), time.perf_counter()
    yield
    took = (time.perf_counter() - began) * (os.cpu_count() or 1)
    others = max(0.0, (_busy_s() - busy) - (_own_s() - own)) / took
    print(f"share of the processors that others took: {others:.0%}")


def measure(given: argparse.Namespace) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}
    with jobs.stack() as info, _bare_worker(jobs.other_database(info.redis_url)) as worker:
        figures |= _latency(info, given.jobs)
        peers.measure(info, given.jobs)
        figures |= drain.measure(info, worker, jobs.other_database(info.redis_url), given.stages)
        figures |= fairness.measure(info, given.waiting)
        with held(info, worker):
            figures |= submit.measure(info, given.seconds)
            figures |= fanout.measure(info)
    return figures | million.measure(given.finished)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue")
    parser.add_argument("--seconds", type=float, default=3.0, help="a turn of submitting takes")
    parser.add_argument("--stages", type=int, default=2000, help="drained in a turn")
    parser.add_argument("--jobs", type=int, default=240, help="for latency")
    parser.add_argument("--waiting", type=int, default=fairness.WAITING, help="of one tenant")
    parser.add_argument("--finished", type=int, default=million.JOBS, help="beside a thousand")
    parser.add_argument("--soak", type=float, help="instead: seconds at full load")
    parser.add_argument("--batch", type=int, help="instead: jobs of one large batch")
    given = parser.parse_args()
    with _others():
        if given.soak:
            figures = soak.measure(given.soak)
        elif given.batch:
            with jobs.stack() as info:
                figures = giant.measure(info, given.batch)
        else:
            measured = measure(given)
            figures = {name: measured[name] for name in _KEYS}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
