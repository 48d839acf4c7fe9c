"""The queue's statements. The transitions themselves are functions in PostgreSQL (ADR 0003).

Workers and the scheduler call the sync class; the API awaits the async functions. Every answer
carries `facts`: what became true, to be published after the commit; each names the row of the
outbox that it stands in until then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from netra.errors import LeaseLost, Unstorable
from netra.store.functions import Functions
from netra.store.postgres import AsyncConnection, Connection, unavailable

#: A fact as clients are sent it, and as it stands in the database.
FactMessage = dict[str, Any]

_LEASE_LOST = "NT001"
#: The class of states that say: a limit of PostgreSQL's own is exceeded.
_OVER_LIMIT = "54"
#: How often a transaction that was chosen to end a deadlock is tried again.
_DEADLOCKS = 3


@dataclass(frozen=True, kw_only=True)
class Done:
    """A stage that has run, and what came of it."""

    stage: UUID
    fence: int
    content: Any
    tables: list[str]
    #: How long it ran, seconds; None: since it was claimed.
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Following:
    """Who claims what comes next."""

    pool: str
    worker: UUID
    pid: int
    lease_s: float
    #: Stages at most, if they are short.
    most: int


class Queue:
    """The queue as workers and the scheduler use it, over one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._functions = Functions(connection)

    def _call(self, function: str, *args: Any, meanwhile: Callable[[], None] | None = None) -> Any:
        with unavailable(), _storable():
            for attempt in range(_DEADLOCKS + 1):
                try:
                    return self._functions.call(function, args, meanwhile)
                except psycopg.errors.DeadlockDetected:
                    if attempt == _DEADLOCKS:
                        raise
                except psycopg.Error as e:
                    if e.sqlstate == _LEASE_LOST:
                        raise LeaseLost(str(e).splitlines()[0]) from e
                    raise
        raise AssertionError("unreachable")

    # --- workers

    def register(
        self, worker: UUID, *, pool: str, host: str, pid: int, concurrency: int, device: str
    ) -> None:
        with unavailable():
            self.connection.execute(
                "INSERT INTO workers (id, pool, host, pid, concurrency, device)"
                " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO UPDATE"
                " SET heartbeat_at = clock_timestamp()",
                [worker, pool, host, pid, concurrency, device],
            )

    def deregister(self, worker: UUID) -> None:
        with unavailable():
            self.connection.execute("DELETE FROM workers WHERE id = %s", [worker])

    def heartbeat(self, worker: UUID, pids: Sequence[int], lease_s: float) -> list[dict[str, Any]]:
        """Renews leases; rows of `{stage_id, fence, worker_pid, over_s, stop_s}`."""
        with unavailable():
            return self.connection.execute(
                "SELECT * FROM netra_heartbeat(%s, %s, %s)", [worker, list(pids), lease_s]
            ).fetchall()

    def claim(self, following: Following, sent: Sequence[int] = ()) -> dict[str, Any]:
        """Claims the stage whose turn it is, or several short ones: `{"facts", "claims"}`.

        Args:
            sent: rows of the outbox that were sent since.
        """
        return self.finish((), sent=sent, following=following)

    def waits(self, pool: str, late_s: float) -> bool:
        """Whether a stage of the pool was admitted more than `late_s` ago and nobody has it."""
        with unavailable():
            cursor = self.connection.execute(
                "SELECT 1 FROM stages WHERE pool = %s AND state = 'admitted'"
                " AND admitted_at < clock_timestamp() - make_interval(secs => %s) LIMIT 1",
                [pool, late_s],
            )
            return cursor.fetchone() is not None

    def finish(
        self,
        done: Sequence[Done],
        fan_out: Any = None,
        *,
        sent: Sequence[int] = (),
        following: Following | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """Completes stages, all or none, and claims what follows: `{"facts", "claims"}`.

        Args:
            fan_out: the stages that the only one of `done` asks for.
            sent: rows of the outbox that were sent since.
            following: for whom to claim; None: nothing.
            meanwhile: is done while PostgreSQL works.

        Raises:
            LeaseLost: the token of one of them is stale.
            Unstorable: PostgreSQL cannot hold the content of one of them.
        """
        f = following or Following(pool="", worker=UUID(int=0), pid=0, lease_s=0, most=0)
        return self._call(
            "netra_report",
            Jsonb(done),
            Jsonb(fan_out) if fan_out is not None else None,
            *(f.pool, f.worker, f.pid, f.lease_s, f.most),
            list(sent),
            meanwhile=meanwhile,
        )

    def fail(
        self,
        stage: UUID,
        fence: int,
        error: dict[str, Any],
        *,
        retry: bool,
        max_failures: int,
        backoff_s: float,
        backoff_max_s: float,
    ) -> dict[str, Any]:
        return self._call(
            "netra_fail", stage, fence, Jsonb(error), retry, max_failures, backoff_s, backoff_max_s
        )

    def release(self, stage: UUID, fence: int, delay_s: float, reason: str) -> dict[str, Any]:
        return self._call("netra_release", stage, fence, delay_s, reason)

    def hand_back(self, worker: UUID, pid: int | None, keep: Collection[UUID]) -> dict[str, Any]:
        """Hands back what a worker's process (None: any of them) holds, but for `keep`."""
        return self._call("netra_hand_back", worker, pid, list(keep))

    def stopped(self, stage: UUID, fence: int) -> dict[str, Any]:
        return self._call("netra_stopped", stage, fence)

    def should_stop(self, stage: UUID, fence: int) -> bool:
        """Whether the job was asked to stop, or the stage is no longer held."""
        with unavailable():
            row = self.connection.execute(
                "SELECT s.fence <> %s OR s.state <> 'running' OR j.stop_reason IS NOT NULL AS stop"
                " FROM stages s JOIN jobs j ON j.id = s.job_id WHERE s.id = %s",
                [fence, stage],
            ).fetchone()
        return row is None or row["stop"]

    def checkpoint(self, stage: UUID, fence: int, state: Any) -> None:
        with unavailable(), _storable():
            cursor = self.connection.execute(
                "UPDATE stages SET checkpoint = %s"
                " WHERE id = %s AND fence = %s AND state = 'running'",
                [Jsonb(state), stage, fence],
            )
        if cursor.rowcount == 0:
            raise LeaseLost

    def wrote(self, stage: UUID, fence: int) -> None:
        """Notes that tables are about to be written. Raises LeaseLost if the token is stale."""
        self._call("netra_wrote", stage, fence)

    # --- the scheduler

    def admit(
        self,
        pools: Sequence[str],
        *,
        ahead: float,
        stale_s: float,
        readmit_s: float,
        least: int = 0,
    ) -> dict[str, dict[str, Any]]:
        """By pool: `{"messages": [{"stage_id", "admission"}], "facts", "waiting", …}`."""
        return self._call("netra_admit_pools", list(pools), ahead, least, stale_s, readmit_s)

    def take_back(
        self, *, max_lost: int, max_killed: int, grace_s: float, limit: int = 500
    ) -> dict[str, Any]:
        """Takes back expired stages, unless PostgreSQL itself started less than `grace_s` ago."""
        return self._call("netra_take_back", max_lost, max_killed, grace_s, limit)

    def stop_batches(self, limit: int = 500) -> dict[str, Any]:
        """Goes on stopping the jobs of batches; `left` is whether there is more to do."""
        return self._call("netra_stop_batches", None, limit)

    def expire(self, limit: int = 500) -> dict[str, Any]:
        return self._call("netra_expire", limit)

    def forget_workers(self, after_s: float) -> None:
        with unavailable():
            self.connection.execute(
                "DELETE FROM workers WHERE heartbeat_at < clock_timestamp()"
                " - make_interval(secs => %s)",
                [after_s],
            )

    def unsent(self, older_than_s: float, limit: int = 500) -> list[FactMessage]:
        """Facts of the oldest `limit` transactions of which nobody has sent them."""
        with unavailable():
            rows = self.connection.execute(
                "SELECT id, facts FROM outbox WHERE ts < clock_timestamp()"
                " - make_interval(secs => %s) ORDER BY id LIMIT %s",
                [older_than_s, limit],
            ).fetchall()
        return [{**fact, "outbox": row["id"]} for row in rows for fact in row["facts"]]

    def sent(self, outbox: Sequence[int]) -> None:
        """Takes rows out of the outbox."""
        self._call("netra_sent", list(outbox))


@contextmanager
def _storable() -> Iterator[None]:
    """Names the errors that mean: PostgreSQL cannot hold the content."""
    try:
        yield
    except psycopg.Error as e:
        if isinstance(e, psycopg.DataError) or (e.sqlstate or "").startswith(_OVER_LIMIT):
            raise Unstorable(f"PostgreSQL refuses it: {e}") from e
        raise


# --- the API


async def submit(
    connection: AsyncConnection, jobs: list[dict[str, Any]], stale_s: float | None
) -> dict[str, Any]:
    """Writes jobs with their stages: `{"jobs": [{"id", "created", "same_body"}]}`.

    Args:
        stale_s: workers whose heartbeat is older have no slots; stages that there is a slot for are
            admitted at once, if nothing else waits. None: the scheduler admits them.
    """
    return await _call_async(connection, "netra_submit", Jsonb(jobs), stale_s)


async def stop(connection: AsyncConnection, job: UUID, reason: str) -> dict[str, Any] | None:
    """Asks a job to stop; None if it had ended."""
    return await _call_async(connection, "netra_stop", job, reason)


async def stop_batch(connection: AsyncConnection, batch: UUID, limit: int) -> dict[str, Any]:
    """Goes on stopping a batch that was asked to stop: `{"facts", "left"}`."""
    return await _call_async(connection, "netra_stop_batches", batch, limit)


async def prioritize(connection: AsyncConnection, job: UUID, priority: int) -> bool:
    """Changes a job's priority; False if it had ended."""
    return await _call_async(connection, "netra_prioritize", job, priority) is not None


async def retry(connection: AsyncConnection, job: UUID) -> dict[str, Any] | None:
    """Starts a new epoch; None if the job's state does not allow it."""
    return await _call_async(connection, "netra_retry", job)


async def sent(connection: AsyncConnection, outbox: Sequence[int]) -> None:
    """Takes rows out of the outbox."""
    await _call_async(connection, "netra_sent", list(outbox))


async def _call_async(connection: AsyncConnection, function: str, *args: Any) -> Any:
    marks = ", ".join(["%s"] * len(args))
    with unavailable():
        cursor = await connection.execute(f"SELECT {function}({marks}) AS r".encode(), args)
        row = await cursor.fetchone()
    return row["r"] if row else None
