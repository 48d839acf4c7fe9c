"""Keeps a worker's leases: runs in the worker's parent process, beside no computation.

A thread beside the computation would starve under code that holds the interpreter lock, and the
lease would be lost. The parent vouches only for processes that it sees alive, and stops those
that run past their limit, hold too much memory, or were asked to stop and did not.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import psutil

from netra import metrics
from netra.errors import LeaseLost, NetraError
from netra.progress.outbox import Outbox
from netra.settings import Settings, Workers
from netra.store import postgres
from netra.store.queue import Queue

log = logging.getLogger(__name__)

#: A database that is away is told of this often, seconds; it is tried far more often.
_SAY_EVERY_S = 5.0

#: How metrics call the reason for which a process was killed, by the error that the stage is given.
_KILLED = {"TimeLimit": "time limit", "MemoryLimit": "memory limit"}
_CANCELLED = "cancelled"


class Holder:
    """One worker's heartbeat."""

    def __init__(
        self,
        settings: Settings,
        worker: UUID,
        *,
        pool: str,
        host: str,
        concurrency: int,
        device: str,
        pids: Callable[[], Iterable[int]],
        kill: Callable[[int], None] | None = None,
        memory: Callable[[int], int] | None = None,
        alive: Callable[[], None] | None = None,
    ) -> None:
        """
        Args:
            pids: the worker's living processes, asked at every beat.
            kill: ends a process; SIGKILL unless given.
            memory: what a process holds, bytes; asked of those that run a stage.
            alive: called at every beat, also when the database is away: for the liveness probe.
        """
        self.settings = settings
        self.worker = worker
        self.pool = pool
        self.host = host
        self.concurrency = concurrency
        self.device = device
        self.pids = pids
        self.kill = kill or _kill
        self.memory = memory or resident
        self.alive = alive
        self.memory_limit = stage_memory_limit(settings.workers)
        self._stop = threading.Event()
        self._leaving = False
        self._known: set[int] = set()
        self._thread = threading.Thread(target=self._run, name="holder", daemon=True)
        self._said_at = float("-inf")
        self._queue: Queue | None = None
        self._outbox = Outbox(settings)
        metrics.WORKER_MISSED.labels(pool)
        for reason in (*_KILLED.values(), _CANCELLED):
            metrics.WORKER_KILLS.labels(pool, reason)

    def start(self) -> None:
        self._thread.start()

    def leave(self) -> None:
        """Says that this worker ends its own processes from now on: none of them was killed.

        A beat that found one gone before `close` hands its stage back would count it among the
        stages that kill their process. Only sets a flag: a signal's handler calls it.
        """
        self._leaving = True

    def close(self) -> None:
        """Stops beating, hands back what the worker still holds, and takes its slots away."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        try:
            queue = self._connected()
            facts = queue.hand_back(self.worker, None, ())["facts"]
            queue.deregister(self.worker)
            self._outbox.send(facts)
        except NetraError as e:
            log.warning("left without a word, leases will run out: %s", e)
        finally:
            self._outbox.close(self._queue)
            self._disconnect()

    def _run(self) -> None:
        while not self._stop.wait(self.settings.queue.heartbeat_s if self._queue else 0.2):
            try:
                if self.alive:
                    self.alive()
                self.beat()
            except Exception as e:
                metrics.WORKER_MISSED.labels(self.pool).inc()
                if time.monotonic() - self._said_at >= _SAY_EVERY_S:
                    self._said_at = time.monotonic()
                    log.warning("missed a heartbeat: %s", e)
                self._disconnect()

    def beat(self) -> None:
        """Renews the leases of the living, and ends what overstays."""
        queue = self._queue
        if queue is None:
            queue = self._connected()
            queue.register(
                self.worker,
                pool=self.pool,
                host=self.host,
                pid=os.getpid(),
                concurrency=self.concurrency,
                device=self.device,
            )
        self._outbox.settle(queue)
        held = queue.heartbeat(self.worker, self._vouched(), self.settings.queue.lease_s)
        metrics.WORKER_BUSY.labels(self.pool).set(len(held))
        metrics.WORKER_SLOTS.labels(self.pool).set(self.concurrency)
        metrics.WORKER_BEAT_AT.labels(self.pool).set_to_current_time()
        if self._leaving:
            # Its processes are being ended, and their numbers may soon be others'.
            return
        for stage in held:
            if stage["stop_s"] is not None and stage["stop_s"] > self.settings.queue.cancel_grace_s:
                self._end(queue, stage, None)
            elif stage["over_s"] > 0:
                problem = f"the stage ran {stage['over_s']:.0f} s past its limit"
                self._end(queue, stage, {"type": "TimeLimit", "message": problem})
            elif (used := self.memory(stage["worker_pid"])) > self.memory_limit:
                limit = self.memory_limit >> 20
                problem = f"the stage held {used >> 20} MB; the limit is {limit} MB"
                self._end(queue, stage, {"type": "MemoryLimit", "message": problem})

    def _vouched(self) -> list[int]:
        """The living processes; while the worker leaves, those too that lived before."""
        living = set(self.pids())
        # Looked at after the processes were: they are ended after it is set.
        self._known = living | self._known if self._leaving else living
        return list(self._known)

    def _end(self, queue: Queue, stage: dict[str, Any], error: dict[str, Any] | None) -> None:
        """Kills the process first: what it still writes is refused, since the token is spent."""
        reason = _KILLED[error["type"]] if error else _CANCELLED
        metrics.WORKER_KILLS.labels(self.pool, reason).inc()
        log.warning("stage %s: killing process %s", stage["stage_id"], stage["worker_pid"])
        self.kill(stage["worker_pid"])
        settings = self.settings.queue
        try:
            if error is None:
                answer = queue.stopped(stage["stage_id"], stage["fence"])
            else:
                answer = queue.fail(
                    stage["stage_id"],
                    stage["fence"],
                    error,
                    retry=False,
                    max_failures=settings.max_failures,
                    backoff_s=settings.backoff_s,
                    backoff_max_s=settings.backoff_max_s,
                )
        except LeaseLost:
            return  # it ended while we looked
        self._outbox.send(answer["facts"])

    def _connected(self) -> Queue:
        if self._queue is None:
            connection = postgres.connect(self.settings.database, f"holder-{self.pool}")
            self._queue = Queue(connection)
        return self._queue

    def _disconnect(self) -> None:
        if self._queue is not None:
            self._queue.connection.close()
            self._queue = None


def stage_memory_limit(settings: Workers) -> int:
    """What a stage's process may hold, bytes."""
    if settings.stage_memory_mb:
        return settings.stage_memory_mb << 20
    return psutil.virtual_memory().total * 3 // 4


def resident(pid: int) -> int:
    """What a process holds in memory, bytes; 0 if it is gone."""
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
