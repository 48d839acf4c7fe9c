"""API keys: whose door a key opens. Only hashes are kept."""

from __future__ import annotations

from dataclasses import dataclass

from netra.store.postgres import AsyncConnection


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
