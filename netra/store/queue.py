"""The queue's statements. The transitions themselves are functions in PostgreSQL (ADR 0003).

Workers and the scheduler call the sync class; the API awaits the async functions. Every answer
carries `facts`: what became true, to be published after the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from netra.errors import LeaseLost
from netra.store.postgres import AsyncConnection, Connection, unavailable

#: A fact as clients are sent it, and as it stands in the database.
FactMessage = dict[str, Any]

_LEASE_LOST = "NT001"


class Queue:
    """The queue as workers and the scheduler use it, over one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def _call(self, function: str, *args: Any) -> Any:
        marks = ", ".join(["%s"] * len(args))
        with unavailable():
            try:
                cursor = self.connection.execute(f"SELECT {function}({marks}) AS r".encode(), args)
            except psycopg.Error as e:
                if e.sqlstate == _LEASE_LOST:
                    raise LeaseLost(str(e).splitlines()[0]) from e
                raise
            row = cursor.fetchone()
        return row["r"] if row else None

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

    def claim(
        self, stage: UUID, admission: int, worker: UUID, pid: int, lease_s: float
    ) -> dict[str, Any] | None:
        """Claims the stage that a message named, or None if the message is stale."""
        return self._call("netra_claim", stage, admission, worker, pid, lease_s)

    def claim_next(
        self, pool: str, worker: UUID, pid: int, lease_s: float
    ) -> dict[str, Any] | None:
        return self._call("netra_claim_next", pool, worker, pid, lease_s)

    def waits(self, pool: str, late_s: float) -> bool:
        """Whether a stage of the pool was admitted more than `late_s` ago and nobody has it."""
        with unavailable():
            cursor = self.connection.execute(
                "SELECT 1 FROM stages WHERE pool = %s AND state = 'admitted'"
                " AND admitted_at < clock_timestamp() - make_interval(secs => %s) LIMIT 1",
                [pool, late_s],
            )
            return cursor.fetchone() is not None

    def complete(
        self, stage: UUID, fence: int, content: Any, tables: list[str], fan_out: Any
    ) -> dict[str, Any]:
        """Completes a stage. Raises LeaseLost if the token is stale."""
        return self._call("netra_complete", stage, fence, *_outcome(content, tables, fan_out))

    def complete_and_claim(
        self,
        stage: UUID,
        fence: int,
        content: Any,
        tables: list[str],
        fan_out: Any,
        *,
        pool: str,
        worker: UUID,
        pid: int,
        lease_s: float,
    ) -> dict[str, Any]:
        """Completes a stage and claims the next of its pool; `claim` is absent if there is none."""
        outcome = _outcome(content, tables, fan_out)
        return self._call(
            "netra_complete_and_claim", stage, fence, *outcome, pool, worker, pid, lease_s
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

    def release_strays(self, worker: UUID, pid: int | None, keep: UUID | None) -> dict[str, Any]:
        return self._call("netra_release_strays", worker, pid, keep)

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
        with unavailable():
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

    def admit(self, pool: str, *, ahead: float, stale_s: float, readmit_s: float) -> dict[str, Any]:
        """`{"messages": [{"stage_id", "admission"}], "facts", "passed_over"}`."""
        return self._call("netra_admit", pool, ahead, stale_s, readmit_s)

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

    def unpublished(self, older_than_s: float, limit: int = 1000) -> list[FactMessage]:
        """Facts that nobody has sent, oldest first."""
        with unavailable():
            rows = self.connection.execute(
                "SELECT to_jsonb(f) - 'published'"
                " || jsonb_build_object('type', 'fact', 'traceparent', j.traceparent) AS fact"
                " FROM facts f JOIN jobs j ON j.id = f.job_id"
                " WHERE NOT f.published AND f.ts < clock_timestamp() - make_interval(secs => %s)"
                " ORDER BY f.ts LIMIT %s",
                [older_than_s, limit],
            ).fetchall()
        return [row["fact"] for row in rows]

    def mark_published(self, facts: Sequence[FactMessage]) -> None:
        self._call("netra_published", *_keys(facts))


def _keys(facts: Sequence[FactMessage]) -> tuple[list[UUID], list[int], list[int]]:
    return (
        [UUID(f["job_id"]) for f in facts],
        [f["epoch"] for f in facts],
        [f["seq"] for f in facts],
    )


def _outcome(content: Any, tables: list[str], fan_out: Any) -> tuple[Any, Any, Any]:
    return Jsonb(content), Jsonb(tables), Jsonb(fan_out) if fan_out is not None else None


# --- the API


async def submit(connection: AsyncConnection, jobs: list[dict[str, Any]]) -> dict[str, Any]:
    """Writes jobs with their stages: `{"jobs": [{"id", "created", "same_body"}], "facts"}`."""
    return await _call_async(connection, "netra_submit", Jsonb(jobs))


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


async def mark_published(connection: AsyncConnection, facts: Sequence[FactMessage]) -> None:
    await _call_async(connection, "netra_published", *_keys(facts))


async def _call_async(connection: AsyncConnection, function: str, *args: Any) -> Any:
    marks = ", ".join(["%s"] * len(args))
    with unavailable():
        cursor = await connection.execute(f"SELECT {function}({marks}) AS r".encode(), args)
        row = await cursor.fetchone()
    return row["r"] if row else None
