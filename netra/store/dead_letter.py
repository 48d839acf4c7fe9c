"""Dead letters: stages that were given up."""

from __future__ import annotations

from uuid import UUID

import msgspec
from psycopg import sql

from netra.schemas.dead_letter import DeadLetter
from netra.store.postgres import AsyncConnection

_SELECT = sql.SQL("""
    SELECT id::text, job_id::text, stage_id::text, agent, params, error, attempts, lost,
        created_at, replayed_at
    FROM dead_letters WHERE tenant_id = %(tenant)s {narrowed} ORDER BY id DESC LIMIT %(n)s
""")


async def page(
    connection: AsyncConnection, tenant_id: str, *, before: UUID | None, n: int
) -> list[DeadLetter]:
    """At most `n` dead letters, newest first, older than `before`."""
    narrowed = sql.SQL("AND id < %(before)s") if before else sql.SQL("")
    cursor = await connection.execute(
        _SELECT.format(narrowed=narrowed), {"tenant": tenant_id, "before": before, "n": n}
    )
    return [msgspec.convert(row, DeadLetter) for row in await cursor.fetchall()]


async def show(connection: AsyncConnection, tenant_id: str, letter_id: UUID) -> DeadLetter | None:
    cursor = await connection.execute(
        _SELECT.format(narrowed=sql.SQL("AND id = %(id)s")),
        {"tenant": tenant_id, "id": letter_id, "n": 1},
    )
    row = await cursor.fetchone()
    return msgspec.convert(row, DeadLetter) if row else None
