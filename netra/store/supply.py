"""A tenant's own rows of the supply catalog."""

from __future__ import annotations

from datetime import date

from psycopg.types.json import Jsonb

from netra.ids import new_id
from netra.schemas.supply import SupplyRequest, SupplyRow
from netra.store.postgres import AsyncConnection


async def rows(connection: AsyncConnection, tenant_id: str, kind: str | None) -> list[SupplyRow]:
    """The tenant's rows by kind, name and date."""
    cursor = await connection.execute(
        "SELECT kind, name, effective_from, content, created_at FROM supply_rows"
        " WHERE tenant_id = %(tenant)s AND (%(kind)s::text IS NULL OR kind = %(kind)s)"
        " ORDER BY kind, name, effective_from",
        {"tenant": tenant_id, "kind": kind},
    )
    return [SupplyRow(**row) for row in await cursor.fetchall()]


async def put(
    connection: AsyncConnection, tenant_id: str, kind: str, name: str, given: SupplyRequest
) -> SupplyRow:
    """Writes the row of this kind, name and date, over one that is there."""
    cursor = await connection.execute(
        "INSERT INTO supply_rows (id, tenant_id, kind, name, effective_from, content)"
        " VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (tenant_id, kind, name, effective_from)"
        " DO UPDATE SET content = excluded.content, created_at = now()"
        " RETURNING kind, name, effective_from, content, created_at",
        [new_id(), tenant_id, kind, name, given.effective_from, Jsonb(given.content)],
    )
    row = await cursor.fetchone()
    assert row is not None
    return SupplyRow(**row)


async def delete(
    connection: AsyncConnection, tenant_id: str, kind: str, name: str, effective_from: date | None
) -> int:
    """Removes the row of this date, or all of this kind and name; how many there were."""
    cursor = await connection.execute(
        "DELETE FROM supply_rows WHERE tenant_id = %(tenant)s AND kind = %(kind)s"
        " AND name = %(name)s AND (%(day)s::date IS NULL OR effective_from = %(day)s)",
        {"tenant": tenant_id, "kind": kind, "name": name, "day": effective_from},
    )
    return cursor.rowcount
