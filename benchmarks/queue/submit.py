"""Submitting over HTTP, durably, beside a loop of `apply_async`; nobody runs anything meanwhile."""

from __future__ import annotations

import itertools
import time

import msgspec
import numpy as np

from benchmarks import bare_celery
from benchmarks.queue.clients import rate
from netra.embedded.info import StackInfo

_TURNS = 3
_BATCH = 1000
_NOOP = msgspec.json.encode({"stages": [{"agent": "noop"}]})


def _apply_async(seconds: float) -> float:
    sent = 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        bare_celery.nothing.apply_async(ignore_result=True)
        sent += 1
    return sent / (time.perf_counter() - began)


def measure(info: StackInfo, seconds: float) -> dict[str, float]:
    """Medians of turns, each of `seconds`; ratios are of turns beside each other."""
    number = itertools.count()

    def batch() -> bytes:
        job = {"stages": [{"agent": "noop"}]}
        return msgspec.json.encode({"name": f"b{next(number)}", "jobs": [job] * _BATCH})

    def posts(path: str, body: object, clients: int) -> float:
        send = body if callable(body) else lambda: body
        key = info.api_key
        return rate(info.api_url, key, f"/api/v1/{path}", send, clients=clients, seconds=seconds)

    rows = []
    for _ in range(_TURNS):
        peer = _apply_async(seconds)
        single = posts("jobs", _NOOP, 16)
        many = posts("jobs", _NOOP, 64)
        batches = posts("batches", batch, 2) * _BATCH
        print(
            f"submit: {single:.0f} jobs/s by 16 clients, {many:.0f} by 64, {batches:.0f} in"
            f" batches of {_BATCH}; apply_async {peer:.0f}/s",
            flush=True,
        )
        rows.append((single / peer, many / peer, batches))
    middle = np.median(rows, axis=0)
    return {
        "submit_ratio": round(float(middle[0]), 2),
        "submit_coalesced_ratio": round(float(middle[1]), 2),
        "batch_jobs_per_s": round(float(middle[2])),
    }
