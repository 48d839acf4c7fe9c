"""API keys: whose door a key opens. Only hashes are kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from netra.errors import InvalidInput, NotFound
from netra.store.naming import check_name
from netra.store.postgres import AsyncConnection, Connection, unavailable


@dataclass(frozen=True, kw_only=True)
class KeyOwner:
    tenant_id: str
    #: The key's name, for a person.
    name: str


async def find(connection: AsyncConnection, key_hash: str) -> KeyOwner | None:
    """Who holds the key with this SHA-256 (hex); None if it is unknown or revoked."""
    cursor = await connection.execute(
        "SELECT tenant_id, name FROM api_keys WHERE key_hash = %s AND revoked_at IS NULL",
        [key_hash],
    )
    row = await cursor.fetchone()
    return KeyOwner(**row) if row else None


@dataclass(frozen=True, kw_only=True)
class KeyRow:
    tenant_id: str
    name: str
    created_at: datetime
    revoked_at: datetime | None


def listed(pg: Connection, tenant_id: str | None) -> list[KeyRow]:
    """Keys of a tenant, or all; those that hold first, then the newest."""
    with unavailable():
        rows = pg.execute(
            "SELECT tenant_id, name, created_at, revoked_at FROM api_keys"
            " WHERE %(tenant)s::text IS NULL OR tenant_id = %(tenant)s"
            " ORDER BY tenant_id, revoked_at IS NOT NULL, created_at DESC",
            {"tenant": tenant_id},
        ).fetchall()
    return [KeyRow(**row) for row in rows]


def create(pg: Connection, tenant_id: str, name: str) -> str:
    """A new key, which is shown once and kept nowhere.

    Raises:
        NotFound: there is no such tenant.
        InvalidInput: the tenant has a key of this name that holds, or it is no name.
    """
    check_name(name, "key")
    with unavailable(), pg.transaction():
        # The tenant's row is held, so that two keys of one name are not made at the same time.
        held = "SELECT 1 FROM tenants WHERE id = %s FOR NO KEY UPDATE"
        if not pg.execute(held, [tenant_id]).fetchone():
            raise NotFound(
                f"there is no tenant {tenant_id}; netra tenant list says which there are"
            )
        if _holding(pg, tenant_id, name):
            raise InvalidInput(f"{tenant_id} has a key {name} already; choose another name")
        return _insert(pg, tenant_id, name)


def revoke(pg: Connection, tenant_id: str, name: str) -> None:
    """Raises NotFound if no key of this name holds."""
    with unavailable(), pg.transaction():
        _revoke(pg, tenant_id, name)


def rotate(pg: Connection, tenant_id: str, name: str) -> str:
    """A new key in place of the one of this name. Raises NotFound if none holds."""
    with unavailable(), pg.transaction():
        _revoke(pg, tenant_id, name)
        return _insert(pg, tenant_id, name)


def _holding(pg: Connection, tenant_id: str, name: str) -> bool:
    cursor = pg.execute(
        "SELECT 1 FROM api_keys WHERE tenant_id = %s AND name = %s AND revoked_at IS NULL",
        [tenant_id, name],
    )
    return cursor.fetchone() is not None


def _insert(pg: Connection, tenant_id: str, name: str) -> str:
    key = f"netra_{secrets.token_urlsafe(32)}"
    pg.execute(
        "INSERT INTO api_keys (key_hash, tenant_id, name) VALUES (%s, %s, %s)",
        [hashlib.sha256(key.encode()).hexdigest(), tenant_id, name],
    )
    return key


def _revoke(pg: Connection, tenant_id: str, name: str) -> None:
    cursor = pg.execute(
        "UPDATE api_keys SET revoked_at = now()"
        " WHERE tenant_id = %s AND name = %s AND revoked_at IS NULL",
        [tenant_id, name],
    )
    if not cursor.rowcount:
        raise NotFound(f"{tenant_id} has no key {name} that holds; see netra admin key list")
