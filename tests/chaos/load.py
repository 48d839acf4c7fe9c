"""The jobs that run meanwhile: a seeded mixture, submitted as a client does that never gives up."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from typing import Any

from netra.client.api import Netra
from netra.client.retry import Retry
from netra.errors import NetraError
from netra.schemas.job import JobRequest
from tests.chaos.stack import Harness

_PER_CALL = 10
#: Long enough to be hit while it runs, seconds.
LONG_S = 3.0


def job(rng: random.Random, number: int) -> JobRequest:
    """Two branches that meet, on both pools; some write tables, fan out, fail or save positions."""
    first: dict[str, Any] = {"sleep_s": rng.uniform(0, 0.3), "ticks": 2}
    gpu: dict[str, Any] = {"sleep_s": rng.uniform(0, 0.1)}
    match number % 10:
        case 0:
            first["table_rows"] = rng.randint(1, 2000)
        case 1:
            first["fan_out"] = rng.randint(1, 4)
        case 2:
            first["fail_attempts"] = rng.randint(1, 2)
        case 3:
            first = {"steps": 5, "sleep_s": 1.0}
        case 4 | 8:
            first = {"sleep_s": LONG_S, "ticks": 6}
        case 5 | 9:
            gpu["sleep_s"] = LONG_S
    return JobRequest(
        stages=(
            {"name": "a", "agent": "noop", "params": first},
            {"name": "g", "agent": "noop-gpu", "params": gpu},
            {"name": "t", "agent": "noop", "after": ["a"], "params": {"table_rows": 10}},
            {"name": "end", "agent": "noop", "after": ["t", "g"]},
        ),
        idempotency_key=f"chaos-{number}",
        labels={"number": str(number)},
    )


def single(agent: str, params: dict[str, Any], number: int) -> JobRequest:
    """A stage of one's own choice, and one after it."""
    return JobRequest(
        stages=(
            {"name": "first", "agent": agent, "params": params},
            {"name": "end", "agent": "noop", "after": ["first"]},
        ),
        idempotency_key=f"single-{number}",
        labels={"number": f"single-{number}"},
    )


class Load(threading.Thread):
    """Submits jobs over the length of the run; `accepted` are the ids that were answered."""

    def __init__(self, harness: Harness, seed: int, jobs: int, over_s: float) -> None:
        super().__init__(name="load", daemon=True)
        self.harness = harness
        self.rng = random.Random(seed)
        self.jobs = jobs
        self.over_s = over_s
        self.accepted: list[str] = []
        self.stop = threading.Event()
        self._singles = 0
        self._lock = threading.Lock()

    @property
    def wanted(self) -> int:
        """How many jobs were to be submitted, single ones included."""
        return self.jobs + self._singles

    def run(self) -> None:
        began = time.monotonic()
        for first in range(0, self.jobs, _PER_CALL):
            # An outage delays submissions, and does not spread out those that follow.
            due = began + self.over_s * first / self.jobs
            if self.stop.wait(max(0.0, due - time.monotonic())):
                return
            numbers = range(first, min(first + _PER_CALL, self.jobs))
            self._submit([job(self.rng, number) for number in numbers])

    def submit_single(self, agent: str, **params: Any) -> None:
        with self._lock:
            number = self._singles
            self._singles += 1
        self._submit([single(agent, params, number)])

    def _submit(self, requests: Sequence[JobRequest]) -> None:
        """The same requests until they are answered."""
        info = self.harness.info
        with Netra(info.api_url, info.api_key, retry=Retry(patience_s=120)) as netra:
            while not self.stop.is_set():
                try:
                    answer = netra.batches.submit("chaos", requests)
                except NetraError:
                    self.stop.wait(1)
                    continue
                with self._lock:
                    self.accepted += [made.id for made in answer.jobs]
                return
