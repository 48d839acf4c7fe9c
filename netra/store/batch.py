"""Batches: made or found by name, and how far their jobs are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec
from psycopg import sql
from psycopg.types.json import Jsonb

from netra.ids import new_id
from netra.schemas.batch import Batch, BatchResult
from netra.schemas.job import TERMINAL
from netra.schemas.socket import JobHead
from netra.store.job import JobFilter, newest
from netra.store.postgres import AsyncConnection

_LIST = sql.SQL("""
    SELECT b.id::text, b.name, b.created_at, coalesce(c.states, s.states, '{{}}') AS states,
        CASE WHEN c.states IS NULL THEN c.version END AS version
    FROM batches b LEFT JOIN batch_counts c ON c.batch_id = b.id
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(n.state, n.n) AS states FROM (
            SELECT state, count(*) AS n FROM jobs WHERE batch_id = b.id AND c.states IS NULL
            GROUP BY state) n) s ON true
    WHERE b.tenant_id = %(tenant)s {narrowed} ORDER BY b.id DESC LIMIT %(n)s
""")
#: Counts of ended batches, kept unless a job was added or begun anew since they were counted.
_KEEP = """
    UPDATE batch_counts c SET states = k.states
    FROM unnest(%s::uuid[], %s::int[], %s::jsonb[]) AS k(batch_id, version, states)
    WHERE c.batch_id = k.batch_id AND c.version = k.version AND c.states IS NULL
"""


_RESULTS = sql.SQL("""
    SELECT j.id::text, j.state, j.labels, j.epoch, j.created_at, j.started_at, j.finished_at,
        j.stop_reason, r.content AS result, e.error
    FROM {jobs} j
    LEFT JOIN LATERAL (
        SELECT r.content FROM stages s JOIN stage_results r ON r.stage_id = s.id
        WHERE s.job_id = j.id AND j.state = 'succeeded'
        ORDER BY s.position DESC, s.finished_at DESC LIMIT 1) r ON true
    LEFT JOIN LATERAL (
        SELECT jsonb_build_object('stage', s.name) || (s.error - 'traceback') AS error
        FROM stages s WHERE s.job_id = j.id AND j.state = 'failed'
            AND coalesce(s.state, '') = 'failed'
        ORDER BY s.finished_at LIMIT 1) e ON true
    ORDER BY j.id DESC
""")


async def ensure(connection: AsyncConnection, tenant_id: str, name: str) -> UUID:
    """The id of the tenant's batch of this name, made if it is new."""
    cursor = await connection.execute(
        "INSERT INTO batches (id, tenant_id, name) VALUES (%s, %s, %s)"
        " ON CONFLICT (tenant_id, name) DO UPDATE SET name = excluded.name RETURNING id",
        [new_id(), tenant_id, name],
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["id"]


async def page(
    connection: AsyncConnection, tenant_id: str, *, before: UUID | None, n: int
) -> list[Batch]:
    """At most `n` batches, newest first, older than `before`."""
    narrowed = sql.SQL("AND b.id < %(before)s") if before else sql.SQL("")
    cursor = await connection.execute(
        _LIST.format(narrowed=narrowed), {"tenant": tenant_id, "before": before, "n": n}
    )
    return await _counted(connection, await cursor.fetchall())


async def exists(connection: AsyncConnection, tenant_id: str, batch_id: UUID) -> bool:
    cursor = await connection.execute(
        "SELECT 1 FROM batches WHERE id = %s AND tenant_id = %s", [batch_id, tenant_id]
    )
    return await cursor.fetchone() is not None


async def show(connection: AsyncConnection, tenant_id: str, batch_id: UUID) -> Batch | None:
    cursor = await connection.execute(
        _LIST.format(narrowed=sql.SQL("AND b.id = %(id)s")),
        {"tenant": tenant_id, "id": batch_id, "n": 1},
    )
    found = await _counted(connection, await cursor.fetchall())
    return found[0] if found else None


async def heads(
    connection: AsyncConnection, tenant_id: str, batch_id: UUID
) -> list[JobHead] | None:
    """Where each job of the batch stands, oldest first; None if the tenant has no such batch."""
    cursor = await connection.execute(
        "SELECT j.id::text, j.state, j.epoch, j.seq FROM batches b"
        " LEFT JOIN jobs j ON j.batch_id = b.id AND j.tenant_id = b.tenant_id"
        " WHERE b.id = %s AND b.tenant_id = %s ORDER BY j.id",
        [batch_id, tenant_id],
    )
    rows = await cursor.fetchall()
    return [JobHead(**row) for row in rows if row["id"]] if rows else None


async def ask_to_stop(connection: AsyncConnection, tenant_id: str, batch_id: UUID) -> None:
    """Notes that the batch's jobs are to be stopped; whoever is first goes on with it."""
    await connection.execute(
        "UPDATE batches SET stop_requested_at = coalesce(stop_requested_at, clock_timestamp())"
        " WHERE id = %s AND tenant_id = %s",
        [batch_id, tenant_id],
    )


async def results(
    connection: AsyncConnection, tenant_id: str, batch_id: UUID, *, before: UUID | None, n: int
) -> list[BatchResult]:
    """How the batch's jobs ended, newest first, older than `before`."""
    wanted = JobFilter(batch_id=batch_id)
    chosen, values = newest(tenant_id, wanted, before=before, n=n)
    cursor = await connection.execute(_RESULTS.format(jobs=chosen), values)
    return [msgspec.convert(row, BatchResult) for row in await cursor.fetchall()]


def count_states(heads: Iterable[JobHead]) -> dict[str, int]:
    return dict(Counter(head.state for head in heads))


def finished(states: dict[str, int]) -> int:
    """How many of the jobs counted in `states` have ended."""
    return sum(n for state, n in states.items() if state in TERMINAL)


async def _counted(connection: AsyncConnection, rows: list[dict[str, Any]]) -> list[Batch]:
    """The batches; counts that do not change any more are kept, since counting takes a while."""
    versions = [row.pop("version") for row in rows]
    found = [_batch(row) for row in rows]
    ended = [
        (batch.id, version, Jsonb(batch.states))
        for batch, version in zip(found, versions, strict=True)
        if version is not None and 0 < batch.total == batch.finished
    ]
    if ended:
        await connection.execute(_KEEP, [list(column) for column in zip(*ended, strict=True)])
    return found


def _batch(row: dict[str, Any]) -> Batch:
    total = sum(row["states"].values())
    ended = finished(row["states"])
    return Batch(**row, total=total, finished=ended, progress=ended / total if total else None)
