"""Workloads, read and removed. The ingests that fill them are written by `ingest`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import sql

from netra.errors import Conflict, Problem
from netra.ids import new_id
from netra.schemas.workload import DEMAND_PREFIX, Ingest, Workload
from netra.store.ingest import STALE_S, gives_way, rewritten
from netra.store.postgres import AsyncConnection

#: `workloads.events` counts whatever ingests brought in; points of demand series are no requests.
_LIST = sql.SQL("""
    SELECT w.id::text, w.name, w.anchored, w.events - p.points AS events, p.points,
        w.min_ts, w.max_ts, w.created_at,
        CASE WHEN EXISTS (SELECT 1 FROM ingests i WHERE i.workload_id = w.id
                AND i.state = 'running'
                AND i.heartbeat_at > now() - make_interval(secs => %(stale_s)s)) THEN 'ingesting'
            WHEN w.events = 0 THEN 'empty' ELSE 'ready' END AS state
    FROM workloads w
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(i.events), 0)::bigint AS points FROM ingests i
        WHERE i.workload_id = w.id AND i.state = 'visible'
            AND starts_with(i.format, %(demand)s)
    ) p
    WHERE w.tenant_id = %(tenant)s AND w.deleted_at IS NULL {narrowed}
    ORDER BY w.id DESC LIMIT %(n)s
""")
_LIST_SETTINGS = {"stale_s": STALE_S, "demand": DEMAND_PREFIX}
_READABLE = sql.SQL("""
    SELECT w.id, w.events, coalesce((
            SELECT jsonb_agg(jsonb_build_object('id', i.id, 'duplicates', i.duplicates > 0)
                ORDER BY i.finished_at, i.id)
            FROM ingests i WHERE i.workload_id = w.id AND i.state = 'visible' AND i.events > 0
        ), '[]') AS ingests,
        (SELECT max(i.heartbeat_at) + make_interval(secs => %(stale_s)s) FROM ingests i
            WHERE i.workload_id = w.id AND i.state = 'running'
            AND i.heartbeat_at > now() - make_interval(secs => %(stale_s)s)) AS ingesting_until
    FROM workloads w
    WHERE w.tenant_id = %(tenant)s AND w.deleted_at IS NULL {narrowed} FOR KEY SHARE OF w
""")
_INGESTS = """
    SELECT id::text, state, source_name, format, rows, events, duplicates, started_at,
        finished_at, error FROM ingests WHERE workload_id = %s ORDER BY id DESC LIMIT 1000
"""


@dataclass(frozen=True, kw_only=True)
class Readable:
    """What a job reads: the workload, and the ingests that are visible now."""

    id: UUID
    #: The `ingest_id`s of the visible rows in ClickHouse, oldest first.
    ingests: tuple[str, ...]
    events: int
    #: An ingest is running, so that what is visible is about to change: it counts as dead then,
    #: unless it gives another sign of life.
    ingesting_until: datetime | None = None

    def check_settled(self, ref: str, where: str = "workload_id") -> None:
        """Raises Conflict while an ingest is running; it says when that ends at the latest."""
        if self.ingesting_until is not None:
            problem = Problem(
                where=where, problem="events are being ingested; wait until that is done", got=ref
            )
            detail = f"workload {ref} is being ingested into; {gives_way(self.ingesting_until)}"
            raise Conflict(detail, [problem])


async def create(
    connection: AsyncConnection, tenant_id: str, name: str, *, fill: bool
) -> tuple[UUID, bool]:
    """An empty workload, and whether it is new.

    Args:
        fill: take the workload of this name if it never got an event and nobody is ingesting:
            whoever made it may have died before its file was in.

    Raises:
        Conflict: the tenant has one of this name, or it is just being filled.
    """
    workload_id = new_id()
    cursor = await connection.execute(
        "INSERT INTO workloads (id, tenant_id, name) VALUES (%s, %s, %s)"
        " ON CONFLICT (tenant_id, name) WHERE deleted_at IS NULL DO NOTHING",
        [workload_id, tenant_id, name],
    )
    if cursor.rowcount:
        return workload_id, True
    there = await readable(connection, tenant_id, name)
    if fill and there is not None and there.events == 0:
        there.check_settled(name, where="name")
        return there.id, False
    problem = Problem(
        where="name",
        problem="the name is taken; append to that workload, or choose another",
        got=name,
    )
    raise Conflict(f"there is a workload {name!r} already", [problem])


async def discard(connection: AsyncConnection, workload_id: UUID) -> None:
    """Takes back a workload that never got an event, with the ingests that failed to give any."""
    async with connection.transaction():
        await connection.execute(
            "DELETE FROM ingests WHERE workload_id = %s AND state = 'failed'", [workload_id]
        )
        await connection.execute(
            "DELETE FROM workloads w WHERE id = %(id)s AND events = 0"
            " AND NOT EXISTS (SELECT 1 FROM ingests WHERE workload_id = %(id)s)"
            " AND NOT EXISTS (SELECT 1 FROM jobs WHERE workload_id = %(id)s)",
            {"id": workload_id},
        )


async def page(
    connection: AsyncConnection, tenant_id: str, *, before: UUID | None, n: int
) -> list[Workload]:
    """At most `n` workloads, newest first, older than `before`; without their ingests."""
    narrowed = sql.SQL("AND w.id < %(before)s") if before else sql.SQL("")
    cursor = await connection.execute(
        _LIST.format(narrowed=narrowed),
        {"tenant": tenant_id, "before": before, "n": n, **_LIST_SETTINGS},
    )
    return [msgspec.convert(row, Workload) for row in await cursor.fetchall()]


async def show(connection: AsyncConnection, tenant_id: str, ref: str) -> Workload | None:
    """The workload of this id or name; None if there is none, or it is somebody else's."""
    narrowed, values = _reference(ref)
    cursor = await connection.execute(
        _LIST.format(narrowed=narrowed), {**values, "tenant": tenant_id, "n": 1, **_LIST_SETTINGS}
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    ingests = await connection.execute(_INGESTS, [row["id"]])
    found = tuple(msgspec.convert(r, Ingest) for r in await ingests.fetchall())
    return msgspec.structs.replace(msgspec.convert(row, Workload), ingests=found)


async def readable(connection: AsyncConnection, tenant_id: str, ref: str) -> Readable | None:
    """What a job submitted now would read; the workload stays until the transaction ends."""
    narrowed, values = _reference(ref)
    cursor = await connection.execute(
        _READABLE.format(narrowed=narrowed), {**values, "tenant": tenant_id, "stale_s": STALE_S}
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    # The ids that rows in ClickHouse carry: `rewritten` says why they may differ.
    ingests = [
        str(rewritten(UUID(i["id"]))) if i["duplicates"] else i["id"] for i in row["ingests"]
    ]
    return Readable(**{**row, "ingests": tuple(ingests)})


async def lock(connection: AsyncConnection, tenant_id: str, ref: str) -> Readable | None:
    """As `readable`, but no job and no ingest of it can begin until the transaction ends."""
    narrowed, values = _reference(ref)
    query = sql.SQL(
        "SELECT 1 FROM workloads w WHERE tenant_id = %(tenant)s AND deleted_at IS NULL {}"
        " FOR UPDATE"
    ).format(narrowed)
    await connection.execute(query, {**values, "tenant": tenant_id})
    return await readable(connection, tenant_id, ref)


async def delete(connection: AsyncConnection, workload_id: UUID) -> None:
    """Hides the workload; its events are swept later, as those of a failed ingest."""
    async with connection.transaction():
        await connection.execute(
            "UPDATE workloads SET deleted_at = clock_timestamp() WHERE id = %s", [workload_id]
        )
        await connection.execute(
            "UPDATE ingests SET state = 'failed',"
            " error = jsonb_build_object('type', 'Deleted', 'message', 'the workload was deleted')"
            " WHERE workload_id = %s AND state = 'visible'",
            [workload_id],
        )


def _reference(ref: str) -> tuple[sql.SQL, dict[str, Any]]:
    """A condition by id where `ref` is one, else by name."""
    try:
        return sql.SQL("AND w.id = %(id)s"), {"id": UUID(ref)}
    except ValueError:
        return sql.SQL("AND w.name = %(name)s"), {"name": ref}
