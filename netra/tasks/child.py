"""A worker's process: claims stages, runs them, and reports what became of them.

Within a short time budget it goes on claiming from PostgreSQL, so that one wake-up serves many
short stages. What it reports survives an outage of PostgreSQL for as long as the lease does.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from netra.engine.claim import Claim
from netra.errors import LeaseLost, StoreUnavailable
from netra.memory import give_back
from netra.progress.outbox import Outbox
from netra.settings import Settings
from netra.store import postgres
from netra.store.queue import Queue
from netra.tasks.context import StageContext
from netra.tasks.execute import Completed, Failed, Outcome, Released, execute
from netra.tasks.observe import observed

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Work that took longer may have needed memory that is worth giving back, seconds.
_LONG_S = 0.5
#: How long an outcome is offered to a database that is away, seconds.
_PATIENCE_S = 120.0


class Child:
    def __init__(self, settings: Settings, worker: UUID, pool: str, device_name: str) -> None:
        self.settings = settings
        self.worker = worker
        self.pool = pool
        self.pid = os.getpid()
        self.outbox = Outbox(settings)
        self.device = device_name
        self._queue: Queue | None = None
        self._clickhouse: Client | None = None
        #: Held while a stage runs: wake-ups come on one thread, the lookout is another.
        self._busy = threading.Lock()

    def serve(self, stage: UUID, admission: int) -> None:
        """Claims a stage, runs it, and goes on while there is budget.

        There is a wake-up for each admitted stage, but whose turn it is the database says: the
        stage that was named may have been admitted long ago.
        """
        with self._busy:
            self._serve()

    def look(self, late_s: float) -> None:
        """Serves, if the process is idle and a stage was admitted more than `late_s` ago."""
        if not self._busy.acquire(blocking=False):
            return
        try:
            if self._queue_or_connect(None).waits(self.pool, late_s):
                self._serve()
        except StoreUnavailable:
            self._disconnect()
        finally:
            self._busy.release()

    def _serve(self) -> None:
        lease_s = self.settings.queue.lease_s
        began = time.monotonic()
        end = began + self.settings.queue.loop_budget_s
        try:
            queue = self._queue_or_connect(None)
            answer = queue.claim_next(self.pool, self.worker, self.pid, lease_s)
        except StoreUnavailable as e:
            # The stage stays admitted, or is a stray that the next connection hands back.
            log.warning("no claim: %s", e)
            self._disconnect()
            return
        claim = self._announce(answer)
        while claim is not None:
            claim = self._run(claim, more=time.monotonic() < end)
        if time.monotonic() - began > _LONG_S:
            give_back()

    def _run(self, claim: Claim, *, more: bool) -> Claim | None:
        with observed(claim) as watch:
            try:
                outcome = self._outcome(claim)
                answer = self._persist(claim, lambda q: self._report(q, claim, outcome, more))
            except LeaseLost as e:
                log.warning("the result is refused: %s", e)
                return None
            except StoreUnavailable as e:
                log.error("giving up, the lease will run out: %s", e)
                return None
            watch.ended(outcome)
            return self._announce(answer)

    def _outcome(self, claim: Claim) -> Outcome:
        queue = self._queue_or_connect(claim)
        context = StageContext(claim, queue, self.outbox.redis, self.settings, self.device)
        return execute(claim, queue, context, self.clickhouse)

    def _report(self, queue: Queue, claim: Claim, outcome: Outcome, more: bool) -> dict[str, Any]:
        settings = self.settings.queue
        held = (claim.stage_id, claim.fence)
        match outcome:
            case Completed(content=content, tables=tables, fan_out=fan_out) if more:
                return queue.complete_and_claim(
                    *held,
                    content,
                    tables,
                    fan_out,
                    pool=self.pool,
                    worker=self.worker,
                    pid=self.pid,
                    lease_s=settings.lease_s,
                )
            case Completed(content=content, tables=tables, fan_out=fan_out):
                return queue.complete(*held, content, tables, fan_out)
            case Failed(error=error, retry=retry):
                return queue.fail(
                    *held,
                    error,
                    retry=retry,
                    max_failures=settings.max_failures,
                    backoff_s=settings.backoff_s,
                    backoff_max_s=settings.backoff_max_s,
                )
            case Released(reason=reason):
                delay_s = min(settings.backoff_s * claim.attempt, 5.0)
                return queue.release(*held, delay_s, reason)
            case _:
                return queue.stopped(*held)

    def _persist(self, claim: Claim, write: Callable[[Queue], T]) -> T:
        """Offers a write until the database takes or refuses it."""
        give_up = time.monotonic() + _PATIENCE_S
        delay = 0.05
        while True:
            try:
                return write(self._queue_or_connect(claim))
            except StoreUnavailable:
                self._disconnect()
                if time.monotonic() > give_up:
                    raise
                time.sleep(delay)
                delay = min(delay * 2, 1.0)

    def _announce(self, answer: dict[str, Any] | None) -> Claim | None:
        """Publishes the facts of a transaction, and returns the claim that came with them."""
        if answer is None:
            return None
        if self._queue is not None:
            self.outbox.send(self._queue, answer["facts"])
        row = answer.get("claim")
        return Claim.from_row(row) if row else None

    def _queue_or_connect(self, claim: Claim | None) -> Queue:
        """The queue; on a new connection, whatever a lost answer gave us is handed back first."""
        if self._queue is None:
            queue = Queue(postgres.connect(self.settings.database, f"worker-{self.pool}"))
            keep = claim.stage_id if claim else None
            strays = queue.release_strays(self.worker, self.pid, keep)
            self._queue = queue
            self.outbox.send(queue, strays["facts"])
        return self._queue

    def close(self) -> None:
        """Lets go of all connections; a stage that is held is not handed back."""
        self._disconnect()
        self.outbox.close()
        if self._clickhouse is not None:
            self._clickhouse.close()

    def _disconnect(self) -> None:
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.connection.close()

    def clickhouse(self) -> Client:
        if self._clickhouse is None:
            from netra.store import clickhouse

            self._clickhouse = clickhouse.connect(self.settings.clickhouse)
        return self._clickhouse
