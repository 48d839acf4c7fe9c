"""A worker's process: claims stages, runs them, and reports what became of them.

Within a short time budget it goes on claiming from PostgreSQL, so that one wake-up serves many
short stages. What it reports survives an outage of PostgreSQL for as long as the lease does.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from netra.engine.claim import Claim
from netra.errors import LeaseLost, StoreUnavailable, Unstorable
from netra.memory import give_back
from netra.progress.outbox import Outbox
from netra.progress.resp import Command
from netra.settings import Settings
from netra.store import postgres
from netra.store.queue import Done, Following, Queue
from netra.tasks.context import StageContext
from netra.tasks.execute import Completed, Failed, Outcome, Released, execute, failed
from netra.tasks.observe import observed

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

log = logging.getLogger(__name__)

T = TypeVar("T")

#: A stage that took longer may have needed memory that is worth giving back, seconds.
_LONG_S = 0.5
#: An agent that took less the last time is expected to again, seconds.
_QUICK_S = 0.002
#: How long an outcome is offered to a database that is away, seconds.
_PATIENCE_S = 120.0


class _Together(Exception):
    """Stages cannot be completed together."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A claimed stage, and what came of it."""

    claim: Claim
    outcome: Outcome
    watch: observed

    @property
    def plain(self) -> bool:
        """Whether it can be completed together with others."""
        return isinstance(self.outcome, Completed) and self.outcome.fan_out is None

    @property
    def done(self) -> Done:
        """What is stored of a stage that has completed."""
        assert isinstance(self.outcome, Completed)
        return Done(
            stage=self.claim.stage_id,
            fence=self.claim.fence,
            content=self.outcome.content,
            tables=self.outcome.tables,
            seconds=self.watch.seconds,
        )


class Child:
    def __init__(self, settings: Settings, worker: UUID, pool: str, device_name: str) -> None:
        self.settings = settings
        self.worker = worker
        self.pool = pool
        self.pid = os.getpid()
        self.outbox = Outbox(settings)
        self.device = device_name
        lease_s, most = settings.queue.lease_s, settings.queue.short_at_once
        self._following = Following(
            pool=pool, worker=worker, pid=self.pid, lease_s=lease_s, most=most
        )
        #: Held while stages run: wake-ups come on one thread, the lookout is another.
        self._busy = threading.Lock()
        #: How long the longest stage of this loop ran, seconds.
        self._longest_s = 0.0
        #: Stages that this process has claimed and not yet reported.
        self._held: set[UUID] = set()
        #: What is to be said of stages: facts to Redis, lines to the log. If an agent is quick that
        #: is done while PostgreSQL works on the next call, and nobody waits for it. If it turns
        #: out slow, the scheduler sends its facts from the outbox a second later.
        self._unsaid: list[Callable[[], object]] = []
        #: Agents that are quick.
        self._quick: set[str] = set()
        self._queue: Queue | None = None
        self._clickhouse: Client | None = None
        #: Ends the process without a word to anybody: nothing may be held up.
        self.end: Callable[[int], object] = os._exit

    def serve(self) -> None:
        """Claims stages, runs them, and goes on while there is budget.

        There is a wake-up for each free slot, but whose turn it is the database says.
        """
        with self._busy:
            self._loop_or_end()

    def look(self, late_s: float) -> None:
        """Serves, if the process is idle and a stage was admitted more than `late_s` ago.

        What Redis has confirmed of the last stages is struck off the outbox: nobody else does it
        while no stage follows.
        """
        if queue := self._queue:
            self.outbox.settle(queue)
        if not self._busy.acquire(blocking=False):
            return
        try:
            queue = self._queue_or_connect()
            if queue.waits(self.pool, late_s):
                self._loop_or_end()
        except StoreUnavailable:
            self._disconnect()
        finally:
            self._busy.release()

    def _loop_or_end(self) -> None:
        """Loops; if that fails while stages are held, the process ends with them.

        The parent vouches for a process that lives, so a stage that nobody works on any more would
        be held until its limit. Of one that has ended the stages run again, or go to the dead
        letters.
        """
        try:
            self._loop()
        except Exception:
            if self._held:
                log.exception("ending this process, so that its stages are taken back")
                self.end(os.EX_SOFTWARE)
            raise

    def _loop(self) -> None:
        end = time.monotonic() + self.settings.queue.loop_budget_s
        self._longest_s = 0.0
        try:
            claims = self._next()
            while claims:
                claims = self._serve(claims, end)
        finally:
            self._speak()
        if self._longest_s > _LONG_S:
            give_back()

    def _next(self) -> list[Claim]:
        try:
            queue, sent = self._queue_or_connect(), self.outbox.sent
            claims = self._announce(queue.claim(self._following, sent))
            self.outbox.struck(sent)
            return claims
        except StoreUnavailable as e:
            # The stage stays admitted, or is a stray that the next connection hands back.
            log.warning("no claim: %s", e)
            self._disconnect()
            return []

    def _serve(self, claims: Sequence[Claim], end: float) -> list[Claim]:
        """Runs claimed stages; answers with those claimed next, if it is not yet `end`."""
        plain: list[Ran] = []
        for claim in claims:
            ran = self._run(claim)
            if ran is not None and ran.plain:
                plain.append(ran)
            elif ran is not None:
                self._report([ran], lambda queue, ran=ran: self._settle(queue, ran))
        more = time.monotonic() < end
        if plain:
            return self._finish(plain, self._following if more else None)
        return self._next() if more else []

    def _run(self, claim: Claim) -> Ran | None:
        """Runs a stage to an outcome; None if it is no longer held."""
        if claim.agent not in self._quick:
            self._speak()
        with observed(claim) as watch:
            try:
                queue = self._queue_or_connect()
                context = StageContext(claim, queue, self._say, self.settings, self.device)
                outcome = watch.outcome = execute(claim, queue, context, self.clickhouse)
            except LeaseLost as e:
                log.warning("the stage is somebody else's: %s", e)
            except StoreUnavailable as e:
                log.error("giving up, the lease will run out: %s", e)
            else:
                return Ran(claim=claim, outcome=outcome, watch=watch)
            finally:
                took_s = watch.elapsed()
                self._longest_s = max(self._longest_s, took_s)
                (self._quick.add if took_s < _QUICK_S else self._quick.discard)(claim.agent)
        self._held.discard(claim.stage_id)
        return None

    def _finish(self, ran: Sequence[Ran], following: Following | None) -> list[Claim]:
        """Completes stages together; if that is refused because of one, each for itself."""
        sent = self.outbox.sent
        done = [one.done for one in ran]
        try:
            claims = self._report(
                ran,
                lambda queue: queue.finish(
                    done, sent=sent, following=following, meanwhile=self._speak
                ),
            )
        except _Together:
            for one in ran:
                self._finish([one], None)
            return self._next() if following else []
        self.outbox.struck(sent)
        return claims

    def _report(self, ran: Sequence[Ran], write: Callable[[Queue], dict[str, Any]]) -> list[Claim]:
        """Writes what became of stages; answers with what was claimed with it.

        Raises:
            _Together: one of several is no longer held or cannot be stored, so none was written.
        """
        try:
            answer = self._persist(write)
        except (LeaseLost, Unstorable) as e:
            if len(ran) > 1:
                raise _Together from e
            (one,) = ran
            with one.watch.bound():
                log.warning("the result is refused: %s", e)
            if isinstance(e, Unstorable):
                if isinstance(one.outcome, Failed):
                    raise
                instead = replace(one, outcome=failed(e))
                return self._report([instead], lambda queue: self._settle(queue, instead))
            answer = None
        except StoreUnavailable as e:
            log.error("giving up, the leases will run out: %s", e)
            answer = None
        self._held.difference_update(one.claim.stage_id for one in ran)
        if answer is None:
            return []
        claims = self._announce(answer)
        # After the facts: who waits for those does not read the log.
        self._unsaid += [partial(one.watch.ended, one.outcome) for one in ran]
        return claims

    def _settle(self, queue: Queue, ran: Ran) -> dict[str, Any]:
        """Writes what became of a stage that needs more than to be completed."""
        settings = self.settings.queue
        held = (ran.claim.stage_id, ran.claim.fence)
        match ran.outcome:
            case Completed(fan_out=fan_out):
                return queue.finish([ran.done], fan_out)
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
                delay_s = min(settings.backoff_s * ran.claim.attempt, 5.0)
                return queue.release(*held, delay_s, reason)
            case _:
                return queue.stopped(*held)

    def _persist(self, write: Callable[[Queue], T]) -> T:
        """Offers a write until the database takes or refuses it."""
        give_up = time.monotonic() + _PATIENCE_S
        delay = 0.05
        while True:
            try:
                return write(self._queue_or_connect())
            except StoreUnavailable:
                self._disconnect()
                if time.monotonic() > give_up:
                    raise
                time.sleep(delay)
                delay = min(delay * 2, 1.0)

    def _announce(self, answer: dict[str, Any]) -> list[Claim]:
        """The claims of a transaction, whose facts are published soon."""
        claims = [Claim.from_row(row) for row in answer.get("claims", ())]
        self._held.update(claim.stage_id for claim in claims)
        if answer["facts"]:
            self._unsaid.append(partial(self.outbox.send, answer["facts"]))
        return claims

    def _speak(self) -> None:
        unsaid, self._unsaid = self._unsaid, []
        for say in unsaid:
            try:
                say()
            except Exception:
                # The outbox has it; what the database just did must not be forgotten for it.
                log.exception("not said")

    def _say(self, commands: Sequence[Command]) -> None:
        self._speak()
        self.outbox.say(commands)

    def _queue_or_connect(self) -> Queue:
        """The queue; on a new connection, whatever a lost answer gave us is handed back first."""
        if self._queue is None:
            queue = Queue(postgres.connect(self.settings.database, f"worker-{self.pool}"))
            strays = queue.hand_back(self.worker, self.pid, self._held)
            self._queue = queue
            self.outbox.send(strays["facts"])
        return self._queue

    def close(self) -> None:
        """Lets go of all connections; a stage that is held is not handed back."""
        self.outbox.close(self._queue)
        self._disconnect()
        if self._clickhouse is not None:
            self._clickhouse.close()

    def _disconnect(self) -> None:
        queue, self._queue = self._queue, None
        if queue is not None:
            # The lookout may be asking something.
            with queue.connection.lock:
                queue.connection.close()

    def clickhouse(self) -> Client:
        if self._clickhouse is None:
            from netra.store import clickhouse

            self._clickhouse = clickhouse.connect(self.settings.clickhouse)
        return self._clickhouse
