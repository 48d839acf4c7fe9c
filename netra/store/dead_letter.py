"""Dead letters: stages that were given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from psycopg import sql

from netra.schemas.dead_letter import DeadLetter
from netra.store.postgres import AsyncConnection

_SELECT = sql.SQL("""
    SELECT id::text, job_id::text, stage_id::text, agent, params, error, attempts, lost,
        created_at, replayed_at
    FROM dead_letters d WHERE tenant_id = %(tenant)s AND {narrowed} ORDER BY id DESC LIMIT %(n)s
""")

#: What narrows a list, by what it is narrowed with.
_NARROWED: dict[str, LiteralString] = {
    "agent": "d.agent = %(agent)s",
    "error_type": "d.error->>'type' = %(error_type)s",
    "job_id": "d.job_id = %(job_id)s",
    "batch_id": "EXISTS (SELECT 1 FROM jobs j WHERE j.id = d.job_id AND j.batch_id = %(batch_id)s)",
    "since": "d.created_at >= %(since)s",
    "until": "d.created_at < %(until)s",
    "before": "d.id < %(before)s",
}
_WAITING = """
    SELECT d.id, d.job_id FROM dead_letters d JOIN jobs j ON j.id = d.job_id
    LEFT JOIN workloads w ON w.id = j.workload_id
    WHERE d.tenant_id = %(tenant)s AND d.replayed_at IS NULL
        AND j.state IN ('failed', 'cancelled') AND w.deleted_at IS NULL
        AND (%(agent)s::text IS NULL OR d.agent = %(agent)s)
        AND (%(error_type)s::text IS NULL OR d.error->>'type' = %(error_type)s)
        AND (%(job_id)s::uuid IS NULL OR d.job_id = %(job_id)s)
        AND (%(batch_id)s::uuid IS NULL OR j.batch_id = %(batch_id)s)
        AND (%(since)s::timestamptz IS NULL OR d.created_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR d.created_at < %(until)s)
    ORDER BY d.id LIMIT %(n)s
"""


@dataclass(frozen=True, kw_only=True)
class LetterFilter:
    """Which letters; None: whatever it is."""

    agent: str | None = None
    error_type: str | None = None
    job_id: UUID | None = None
    batch_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    def values(self) -> dict[str, Any]:
        """As parameters of a statement."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


async def waiting(
    connection: AsyncConnection, tenant_id: str, wanted: LetterFilter, n: int
) -> list[UUID]:
    """The jobs of at most `n` letters that can be replayed, oldest first, each job once."""
    values = {**wanted.values(), "tenant": tenant_id, "n": n}
    cursor = await connection.execute(_WAITING, values)
    return list(dict.fromkeys(row["job_id"] for row in await cursor.fetchall()))


async def page(
    connection: AsyncConnection,
    tenant_id: str,
    wanted: LetterFilter,
    *,
    before: UUID | None,
    n: int,
) -> list[DeadLetter]:
    """At most `n` dead letters, replayed or not, newest first, older than `before`."""
    values = {**wanted.values(), "before": before}
    # Only what was asked for: a plan for any filter would read all to find a rare one.
    chosen = [sql.SQL(_NARROWED[name]) for name, value in values.items() if value is not None]
    narrowed = sql.SQL(" AND ").join([sql.SQL("true"), *chosen])
    cursor = await connection.execute(
        _SELECT.format(narrowed=narrowed), {**values, "tenant": tenant_id, "n": n}
    )
    return [msgspec.convert(row, DeadLetter) for row in await cursor.fetchall()]


async def show(connection: AsyncConnection, tenant_id: str, letter_id: UUID) -> DeadLetter | None:
    cursor = await connection.execute(
        _SELECT.format(narrowed=sql.SQL("id = %(id)s")),
        {"tenant": tenant_id, "id": letter_id, "n": 1},
    )
    row = await cursor.fetchone()
    return msgspec.convert(row, DeadLetter) if row else None
