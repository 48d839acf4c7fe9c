"""Who calls: API keys from headers, tickets for WebSockets, and whether a key still holds."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from psycopg_pool import AsyncConnectionPool

from netra.clock import Clock
from netra.errors import SettingsError, StoreUnavailable, Unauthorized
from netra.settings import Api
from netra.store import api_key
from netra.store.postgres import AsyncConnection, checkout

if TYPE_CHECKING:
    from redis.asyncio import Redis

#: A revoked key is refused after this long at the latest, seconds.
_CACHE_S = 5.0
_CACHE_KEYS = 10_000


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who calls."""

    tenant_id: str
    key_name: str
    #: SHA-256 of the key: lets a long-lived connection ask again whether it holds.
    key_hash: str


class KeyRing:
    """Looks up keys, and remembers for a moment what they open."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], clock: Clock) -> None:
        self.pool = pool
        self.clock = clock
        self._known: OrderedDict[str, tuple[float, Principal | None]] = OrderedDict()

    async def open(self, key: str | None) -> Principal:
        """
        Raises:
            Unauthorized: there is no key, or it is unknown or revoked.
        """
        if not key:
            raise Unauthorized(
                "this call needs an API key: send it as `Authorization: Bearer KEY` or `X-API-Key`"
            )
        return await self.hold(hashlib.sha256(key.encode()).hexdigest())

    async def hold(self, key_hash: str) -> Principal:
        """As `open`, for a key that was open before."""
        principal = await self._find(key_hash)
        if principal is None:
            raise Unauthorized("the API key is unknown or was revoked")
        return principal

    async def _find(self, key_hash: str) -> Principal | None:
        known = self._known.get(key_hash)
        now = self.clock.monotonic()
        if known is not None and now - known[0] < _CACHE_S:
            return known[1]
        async with checkout(self.pool) as connection:
            owner = await api_key.find(connection, key_hash)
        principal = None
        if owner is not None:
            principal = Principal(tenant_id=owner.tenant_id, key_name=owner.name, key_hash=key_hash)
        self._known[key_hash] = (now, principal)
        self._known.move_to_end(key_hash)
        while len(self._known) > _CACHE_KEYS:
            self._known.popitem(last=False)
        return principal


def key_in(headers: Mapping[str, str]) -> str | None:
    """The API key that a request's headers carry."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key:
        return key.strip()
    return headers.get("x-api-key")


class _Claims(msgspec.Struct, frozen=True):
    key_hash: str
    expires: float
    nonce: str


class Tickets:
    """Single-use tickets: signed, and struck off in Redis when they are used."""

    def __init__(self, settings: Api, redis: Redis, clock: Clock) -> None:
        self.settings = settings
        self.redis = redis
        self.clock = clock

    async def issue(self, principal: Principal) -> tuple[str, datetime]:
        """A ticket, and when it expires.

        Raises:
            StoreUnavailable: Redis is away; open the socket with the key itself.
        """
        life = timedelta(seconds=self.settings.ticket_life_s)
        expires = self.clock.now() + life
        nonce = secrets.token_urlsafe(18)
        claims = _Claims(principal.key_hash, expires.timestamp(), nonce)
        content = base64.urlsafe_b64encode(msgspec.json.encode(claims)).decode().rstrip("=")
        await self._redis("set", _ticket_key(nonce), b"1", ex=self.settings.ticket_life_s + 1)
        return f"{content}.{self._signature(content)}", expires

    async def redeem(self, ticket: str) -> str:
        """The hash of the key that the ticket was issued for; it cannot be used again.

        Raises:
            Unauthorized: it is forged, expired or used.
        """
        content, _, signature = ticket.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(content).encode()):
            raise Unauthorized("the ticket is not one of this server's")
        padded = content + "=" * (-len(content) % 4)
        claims = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=_Claims)
        if claims.expires < self.clock.now().timestamp():
            raise Unauthorized("the ticket has expired; ask for another")
        if not await self._redis("getdel", _ticket_key(claims.nonce)):
            raise Unauthorized("the ticket was used already; each opens one connection")
        return claims.key_hash

    def _signature(self, content: str) -> str:
        if not self.settings.jwt_secret_key:
            raise SettingsError("tickets need JWT_SECRET_KEY (api.jwt_secret_key) to be set")
        key = self.settings.jwt_secret_key.encode()
        return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()

    async def _redis(self, command: str, *args: object, **options: object) -> object:
        from redis.exceptions import RedisError

        try:
            return await getattr(self.redis, command)(*args, **options)
        except (RedisError, OSError) as e:
            raise StoreUnavailable(
                "Redis does not answer, so tickets cannot be used; open the socket with a key"
            ) from e


def _ticket_key(nonce: str) -> str:
    return f"netra:ticket:{nonce}"
