"""One batch of a hundred thousand jobs: submit it, follow it as one, list, cancel, export.

    python -m benchmarks.queue.giant [--jobs N]

Prints how long each takes. Lists are timed before and while the batch is there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import psutil
import psycopg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from benchmarks import jobs
from benchmarks.queue.runners import held, until
from netra.client import JobRequest, Netra
from netra.embedded.info import StackInfo

JOBS = 100_000
#: How long the batch's jobs run before it is cancelled, seconds.
_RUN_S = 10.0
_LISTS = 20
_NOOP = JobRequest(stages=({"name": "noop", "agent": "noop"},))


def _timed(name: str, action: Callable[[], Any], figures: dict[str, float]) -> Any:
    began = time.perf_counter()
    answer = action()
    figures[f"{name}_s"] = round(time.perf_counter() - began, 2)
    print(f"batch: {name} {figures[f'{name}_s']:.2f} s", flush=True)
    return answer


def _lists(netra: Netra, when: str) -> dict[str, float]:
    """Median milliseconds of the first page of each list."""
    found: dict[str, list[float]] = {"batches": [], "jobs": []}
    for _ in range(_LISTS):
        for name, times in found.items():
            began = time.perf_counter()
            next(iter(getattr(netra, name).list(page_size=50)), None)
            times.append((time.perf_counter() - began) * 1e3)
    medians = {name: float(np.median(times)) for name, times in found.items()}
    print(f"batch: lists {when}: " + ", ".join(f"{k} {v:.1f} ms" for k, v in medians.items()))
    return medians


class Follower:
    """A socket that follows the batch, and counts what comes of each job."""

    def __init__(self, info: StackInfo) -> None:
        url = info.api_url.replace("http", "ws", 1) + "/ws"
        headers = {"X-API-Key": info.api_key}
        self.socket = connect(url, additional_headers=headers, max_size=None, compression=None)
        self.seqs: dict[str, int] = {}
        self.gaps = self.facts = 0

    def snapshot(self, batch_id: str) -> None:
        self.socket.send(json.dumps({"type": "subscribe", "batch_id": batch_id}))
        while True:
            message = json.loads(self.socket.recv(timeout=120))
            if message["type"] == "snapshot":
                self.seqs |= {job["id"]: job["seq"] for job in message["jobs"]}
                if not message["more"]:
                    return

    def start(self) -> None:
        """Goes on reading, in a thread."""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                fact = msgspec.json.decode(self.socket.recv())
                if fact["type"] == "fact":
                    self.gaps += fact["seq"] != self.seqs.get(fact["job_id"], 0) + 1
                    self.seqs[fact["job_id"]] = fact["seq"]
                    self.facts += 1


def measure(info: StackInfo, n: int = JOBS) -> dict[str, float]:
    """Seconds of each step.

    Raises:
        RuntimeError: the follower missed a fact, or the export a job.
    """
    figures: dict[str, float] = {}
    api = psutil.Process(info.pids["api"])
    with Netra(info.api_url, info.api_key) as netra:
        before = _lists(netra, "before")
        with held(info):
            name = f"giant-{time.time_ns()}"
            answer = _timed(
                "submit", lambda: netra.batches.submit_all(name, (_NOOP for _ in range(n))), figures
            )
            batch = answer.batch.id
            follower = Follower(info)
            held_mb = api.memory_info().rss / 1e6
            _timed("snapshot", lambda: follower.snapshot(batch), figures)
            figures["follower_mb"] = round(api.memory_info().rss / 1e6 - held_mb, 1)
            during = _lists(netra, "beside it")
        seen = sum(follower.seqs.values())
        follower.start()
        time.sleep(_RUN_S)
        _timed("cancel answers", lambda: netra.batches.cancel(batch), figures)
        _timed("cancel", lambda: until(lambda: _over(netra, batch), 600), figures)
        facts = _facts(info, batch) - seen
        _timed("facts", lambda: until(lambda: follower.facts >= facts, 600), figures)
        with tempfile.TemporaryFile() as out:
            exported = _timed("export", lambda: _export(netra, batch, out), figures)
        ended = _lists(netra, "once it has ended")
        shown = netra.batches.get(batch)
    print(f"batch: {shown.states}; {figures['follower_mb']} MB of the API for its follower")
    if follower.gaps or exported != n:
        raise RuntimeError(f"{follower.gaps} facts out of turn, {exported} jobs exported of {n}")
    worst = max(max(during[k], ended[k]) / before[k] for k in before)
    return {**figures, "list_ratio": round(worst, 2)}


def _over(netra: Netra, batch: str) -> bool:
    found = netra.batches.get(batch)
    return found.finished == found.total


def _export(netra: Netra, batch: str, out: Any) -> int:
    """As `netra batch export` does; how many jobs were written."""
    lines = 0
    for result in netra.batches.results(batch, page_size=200):
        out.write(msgspec.json.encode(result) + b"\n")
        lines += 1
    return lines


def _facts(info: StackInfo, batch: str) -> int:
    """Facts of the batch's jobs, all in their first epoch."""
    with psycopg.connect(info.database_url) as pg:
        row = pg.execute("SELECT sum(seq) FROM jobs WHERE batch_id = %s", [batch]).fetchone()
    return int(row[0]) if row else 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue.giant")
    parser.add_argument("--jobs", type=int, default=JOBS)
    given = parser.parse_args()
    with jobs.stack() as info:
        print(json.dumps(measure(info, given.jobs)))


if __name__ == "__main__":
    main()
