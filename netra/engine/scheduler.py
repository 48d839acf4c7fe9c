"""The scheduler: admits ready stages, takes back lost ones, sends what was left unsent.

Several may run; rows are taken with SKIP LOCKED. It wakes on NOTIFY, on a connection of its own,
and at least twice a second.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import psycopg

from netra import metrics, tracing
from netra.errors import NetraError
from netra.metrics import POOLS
from netra.progress.outbox import Outbox
from netra.settings import Settings
from netra.store import postgres
from netra.store.ear import Ear
from netra.store.queue import Queue

log = logging.getLogger(__name__)

#: How soon to look after the last slot became free while nothing was ready, seconds: mostly there
#: is nothing to do, or the next job comes and is admitted by whoever writes it.
_SOON_S = 0.02
#: If others follow: how soon at the latest, seconds.
_LATEST_S = 0.1
#: So many rows of the outbox are struck off together, or whatever there is at each housekeeping.
_TOGETHER = 32
#: How long Redis is given to confirm what was sent for others before the next is read, seconds.
_RELAY_S = 0.05


class Dispatch(Protocol):
    """Wakes workers of a pool. May lose what it sends."""

    def __call__(self, pool: str, messages: Sequence[dict[str, Any]]) -> None:
        """Sends `messages`, each `{"stage_id", "admission"}`."""
        ...

    def renew(self, pool: str, wanted: int) -> None:
        """Sends again until so many are under way, as far as the broker knows."""
        ...


class Scheduler:
    def __init__(
        self,
        settings: Settings,
        dispatch: Dispatch,
        *,
        beat: Callable[[], None] | None = None,
    ) -> None:
        """
        Args:
            dispatch: sends wake-ups after the commit.
            beat: called after every round, also a failed one, to show that the loop is alive.
        """
        self.settings = settings
        self.dispatch = dispatch
        self.beat = beat
        self.outbox = Outbox(settings)
        self.stop = threading.Event()
        #: How long to wait for a database that is away; grows while it stays away.
        self._delay_s = 0.1
        self._reaped_at = float("-inf")
        for pool in POOLS:
            metrics.SCHEDULER_ADMITTED.labels(pool)

    def run(self) -> None:
        """Until `stop` is set. A database that is away is waited for."""
        while not self.stop.is_set():
            try:
                self._serve()
            except (NetraError, psycopg.Error) as e:
                log.warning("trying again in %.1f s: %s", self._delay_s, e)
                self.stop.wait(self._delay_s)
                self._delay_s = min(self._delay_s * 2, 2.0)
                self._beat()

    def _serve(self) -> None:
        database = self.settings.database
        with (
            postgres.connect(database, "scheduler-listen") as connection,
            postgres.connect(database, "scheduler") as working,
        ):
            ear = Ear(connection)
            queue = Queue(working)
            due = soon = latest = time.monotonic()
            wait_s = 0.0
            while not self.stop.is_set():
                if time.monotonic() >= min(due, soon):
                    match self.round(queue):
                        case "taken back":
                            wait_s = 0.0
                        case "passed over":
                            wait_s = min(max(wait_s * 2, 0.005), self.settings.queue.poll_s)
                        case _:
                            wait_s = self.settings.queue.poll_s
                    due, soon, latest = time.monotonic() + wait_s, float("inf"), float("inf")
                    self._delay_s = 0.1
                    self._beat()
                for said in ear.listen(min(due, soon) - time.monotonic()):
                    match said:
                        case "now":
                            due = 0.0
                        case "soon":
                            now = time.monotonic()
                            latest = min(latest, now + _LATEST_S)
                            soon = min(now + _SOON_S, latest)
                        case _:
                            self._carry_out(said, time.time_ns())

    def _beat(self) -> None:
        if self.beat:
            self.beat()

    def round(self, queue: Queue) -> Literal["taken back", "passed over", "idle"]:
        """Admits to every pool, and does the housekeeping that is due."""
        settings = self.settings.queue
        taken_back = False
        began_ns = time.time_ns()
        answers = queue.admit(
            POOLS,
            ahead=settings.admit_ahead,
            least=settings.admit_least,
            stale_s=settings.worker_stale_s,
            readmit_s=settings.readmit_s,
        )
        self._carry_out(answers, began_ns)
        passed_over = any(answer["passed_over"] for answer in answers.values())
        # What was admitted is on its way to the workers: their claims come first.
        self.outbox.settle(queue, at_least=_TOGETHER)
        metrics.SCHEDULER_ROUND_AT.set_to_current_time()
        now = time.monotonic()
        if now - self._reaped_at >= settings.poll_s / 2:
            self._reaped_at = now
            taken_back = self._reap(queue)
        return "taken back" if taken_back else "passed over" if passed_over else "idle"

    def _carry_out(self, answers: Mapping[str, Any], began_ns: int) -> None:
        """Wakes workers for what was admitted, and sends its facts.

        Args:
            answers: of `netra_admit_pools`.
        """
        for pool, answer in answers.items():
            if answer["messages"]:
                self.dispatch(pool, answer["messages"])
            elif answer["waiting"]:
                self.dispatch.renew(pool, answer["waiting"])
            if answer["facts"]:
                _note(pool, answer["facts"], began_ns)
            self.outbox.send(answer["facts"])

    def _reap(self, queue: Queue) -> bool:
        settings = self.settings.queue
        reaped = queue.take_back(
            max_lost=settings.max_lost,
            max_killed=settings.max_killed,
            grace_s=settings.heartbeat_s * 3,
        )
        expired = queue.expire()
        stopped = queue.stop_batches()
        queue.forget_workers(settings.worker_stale_s * 10)
        self.outbox.send(reaped["facts"] + expired["facts"] + stopped["facts"])
        self.outbox.settle(queue)
        while left := queue.unsent(settings.relay_after_s):
            if not self.outbox.send(left):
                break
            metrics.SCHEDULER_RELAYED.inc(len(left))
            if not self.outbox.settle(queue, within_s=_RELAY_S):
                break
        return bool(reaped["facts"] or expired["facts"] or stopped["facts"])


def _note(pool: str, facts: Sequence[dict[str, Any]], began_ns: int) -> None:
    """Counts what was admitted to a pool; one line says all of it, and each trace has a span."""
    metrics.SCHEDULER_ADMITTED.labels(pool).inc(len(facts))
    admitted = [
        {
            "trace_id": tracing.trace_id(fact.get("traceparent")),
            "tenant_id": fact["tenant_id"],
            "job_id": fact["job_id"],
            "stage": fact["stage"],
        }
        for fact in facts
    ]
    log.info("admitted %d to %s", len(facts), pool, extra={"pool": pool, "admitted": admitted})
    if tracing.on():
        for fact in facts:
            about = {"netra.job_id": fact["job_id"], "netra.stage": fact["stage"] or ""}
            tracing.record("admit", fact.get("traceparent"), began_ns, "producer", about)
