"""Connections to Redis or Valkey, kept alive by probes of the socket."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from netra.errors import SettingsError
from netra.settings import Redis

if TYPE_CHECKING:
    import redis
    import redis.asyncio


def check_url(settings: Redis) -> None:
    """Raises SettingsError if there is no URL, or it is not one; its password is not repeated."""
    if not settings.url:
        raise SettingsError("REDIS_URL is not set; `netra up` starts a server of its own")
    try:
        parts = urlsplit(settings.url)
        known = parts.scheme in ("redis", "rediss") and parts.hostname and parts.port != 0
        good = known or (parts.scheme == "unix" and parts.path)
    except ValueError:
        good = False
    if not good:
        raise SettingsError(
            "REDIS_URL is malformed; expected redis://:password@host:port/0, with %-escapes for"
            " what is special in a password"
        )


def _options(settings: Redis) -> dict[str, Any]:
    check_url(settings)
    return {
        "max_connections": settings.pool_size,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "socket_keepalive_options": {
            socket.TCP_KEEPIDLE: settings.keepalive_idle_s,
            socket.TCP_KEEPINTVL: settings.keepalive_interval_s,
            socket.TCP_KEEPCNT: settings.keepalive_count,
        },
    }


def connect(settings: Redis) -> redis.Redis:
    """A sync client; its commands wait at most 2 s: progress is never worth more."""
    import redis

    return redis.Redis.from_url(settings.url, socket_timeout=2, **_options(settings))


def connect_async(settings: Redis) -> redis.asyncio.Redis:
    """An async client; reads have no timeout of their own, since subscribers wait for long."""
    import redis.asyncio

    return redis.asyncio.Redis.from_url(settings.url, **_options(settings))


async def ping(client: redis.asyncio.Redis) -> None:
    """Whether the server answers now, which a connection that died before does not tell.

    A server that was started anew has closed all that the pool keeps, and redis-py finds that out
    by using them: the first command on each fails. All that are idle are given up after the first.
    """
    from redis.exceptions import ConnectionError

    try:
        await client.ping()
    except ConnectionError:
        await client.connection_pool.disconnect(inuse_connections=False)
        await client.ping()
