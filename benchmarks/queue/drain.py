"""Draining no-op stages by two processes, beside bare Celery with `acks_late`, one at a time."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable

import msgspec
import numpy as np
import psycopg
import redis

from benchmarks import bare_celery
from benchmarks.queue.clients import rate
from netra.catalog import agents
from netra.embedded.info import StackInfo

_TURNS = 3
#: As `noop`, and declared short: its stages are claimed several at once.
_SHORT = "noop-short"


def _until(empty: Callable[[], bool]) -> float:
    """Seconds until there is nothing left."""
    began = time.perf_counter()
    while not empty():
        time.sleep(0.02)
        if time.perf_counter() - began > 120:
            raise RuntimeError("not drained within two minutes")
    return time.perf_counter() - began


def _celery(worker: int, url: str, n: int) -> float:
    """Tasks a second; the worker is held until all of them wait."""
    client = redis.Redis.from_url(url)
    os.killpg(worker, signal.SIGSTOP)
    for _ in range(n):
        bare_celery.late.apply_async(ignore_result=True)
    os.killpg(worker, signal.SIGCONT)
    took = _until(lambda: not client.llen("celery") and not client.hlen("unacked"))
    client.close()
    return n / took


def _netra(info: StackInfo, n: int, agent: str) -> float:
    """Jobs of one no-op stage a second; the scheduler is held until all of them wait."""
    os.killpg(info.pids["scheduler"], signal.SIGSTOP)
    job = {"stages": [{"agent": agent}]}
    body = msgspec.json.encode({"name": f"drain-{time.time_ns()}", "jobs": [job] * n})
    # One call; `rate` sends one to begin with, and none after no seconds.
    rate(info.api_url, info.api_key, "/api/v1/batches", lambda: body, clients=1, seconds=0)
    with psycopg.connect(info.database_url, autocommit=True) as pg:
        os.killpg(info.pids["scheduler"], signal.SIGCONT)
        took = _until(
            lambda: (
                pg.execute(
                    "SELECT 1 FROM stages WHERE state = 'ready' UNION ALL"
                    " SELECT 1 FROM stages WHERE state = 'admitted' UNION ALL"
                    " SELECT 1 FROM stages WHERE state = 'running' LIMIT 1"
                ).fetchone()
                is None
            )
        )
    return n / took


def measure(info: StackInfo, worker: int, url: str, n: int) -> dict[str, float | None]:
    """Args:
    worker: the bare worker's process group.
    url: where its tasks wait.
    """
    rows = []
    for _ in range(_TURNS):
        peer, own = _celery(worker, url, n), _netra(info, n, "noop")
        # Until the catalog has an agent whose stages are short, that is not measured.
        known = any(agent.name == _SHORT for agent in agents.all_agents())
        short = _netra(info, n, _SHORT) if known else float("nan")
        print(
            f"drain: {own:.0f} stages/s, {short:.0f} that are declared short; Celery with"
            f" acks_late {peer:.0f}/s",
            flush=True,
        )
        rows.append((own / peer, short / peer))
    usual, grouped = (round(float(ratio), 2) for ratio in np.median(rows, axis=0))
    return {"drain_ratio": usual, "drain_short_ratio": None if math.isnan(grouped) else grouped}
