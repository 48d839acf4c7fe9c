"""The jobs that run meanwhile: a seeded mixture, submitted as a client does that never gives up."""

from __future__ import annotations

import random
import threading
from typing import Any

from netra.client.api import Netra
from netra.client.retry import Retry
from netra.errors import NetraError
from netra.schemas.job import JobRequest
from tests.chaos.stack import Harness

#: A job in so many holds the interpreter lock longer than two leases, or eats up its process.
_RARE = 250
_PER_CALL = 20


def job(rng: random.Random, number: int, lease_s: float) -> JobRequest:
    """Two branches that meet, on both pools; some write tables, fan out, fail or save positions."""
    first: dict[str, Any] = {"sleep_s": rng.uniform(0, 0.3), "ticks": 2}
    match number % 10:
        case 0:
            first["table_rows"] = rng.randint(1, 2000)
        case 1:
            first["fan_out"] = rng.randint(1, 4)
        case 2:
            first["fail_attempts"] = rng.randint(1, 2)
        case 3:
            first = {"steps": 5, "sleep_s": 1.0}
    if number % _RARE == _RARE // 2:
        first = {"hold_gil_s": 2.2 * lease_s}
    if number % _RARE == _RARE - 1:
        first = {"dies": True, "sleep_s": 2.5}
    return JobRequest(
        stages=(
            {"name": "a", "agent": "noop", "params": first},
            {"name": "g", "agent": "noop-gpu", "params": {"sleep_s": rng.uniform(0, 0.1)}},
            {"name": "t", "agent": "noop", "after": ["a"], "params": {"table_rows": 10}},
            {"name": "end", "agent": "noop", "after": ["t", "g"]},
        ),
        idempotency_key=f"chaos-{number}",
        labels={"number": str(number)},
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
        self.doubled = 0
        self.stop = threading.Event()

    def run(self) -> None:
        info = self.harness.info
        lease_s = self.harness.settings.queue.lease_s
        pause_s = self.over_s * _PER_CALL / self.jobs
        with Netra(info.api_url, info.api_key, retry=Retry(patience_s=120)) as netra:
            for first in range(0, self.jobs, _PER_CALL):
                numbers = range(first, min(first + _PER_CALL, self.jobs))
                requests = [job(self.rng, number, lease_s) for number in numbers]
                while not self.stop.is_set():
                    try:
                        answer = netra.batches.submit("chaos", requests)
                    except NetraError:
                        self.stop.wait(1)
                        continue
                    self.accepted += [made.id for made in answer.jobs]
                    break
                if self.stop.wait(pause_s):
                    return
