"""What carries messages between processes: a seam, and Redis pub/sub (`memory` has its twin).

A broadcast may lose and repeat messages, and its connection may break; who listens must not care.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from netra.settings import Redis as RedisSettings

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection


class BroadcastLost(Exception):
    """The connection is gone; messages may have been lost."""


class Broadcast(Protocol):
    """One connection on which channels are listened to; one task receives, any may tune."""

    async def connect(self) -> None:
        """Opens the connection, with no channel. Raises BroadcastLost."""
        ...

    async def subscribe(self, channels: Sequence[str]) -> None: ...

    async def unsubscribe(self, channels: Sequence[str]) -> None: ...

    async def receive(self) -> tuple[str, str, bytes]:
        """The next `(kind, channel, content)`. Raises BroadcastLost.

        Kinds: `message`, and `subscribe` once a channel is being listened to.
        """
        ...

    async def close(self) -> None: ...


class RedisBroadcast:
    """Redis pub/sub on a raw connection: redis-py's PubSub reconnects in silence, and what was
    lost meanwhile would go unnoticed."""

    #: A connection silent for this long is asked whether it lives, seconds.
    ping_s = 5.0

    def __init__(self, settings: RedisSettings) -> None:
        self.settings = settings
        self._connection: AbstractConnection | None = None

    async def connect(self) -> None:
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        from netra.store.redis import connect_async

        await self.close()
        pool = connect_async(self.settings).connection_pool
        options = {**pool.connection_kwargs, "protocol": 2, "retry": Retry(NoBackoff(), 0)}
        options["socket_timeout"] = None
        # For pooled connections of RESP3; with RESP2 redis-py refuses them.
        options["maint_notifications_config"] = None
        connection = pool.connection_class(**options)
        await self._guarded(connection.connect())
        self._connection = connection

    async def subscribe(self, channels: Sequence[str]) -> None:
        await self._send("SUBSCRIBE", *channels)

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        await self._send("UNSUBSCRIBE", *channels)

    async def receive(self) -> tuple[str, str, bytes]:
        while True:
            answer = await self._read(self.ping_s)
            if answer is None:
                await self._send("PING")
                answer = await self._read(self.ping_s)
                if answer is None:
                    await self.close()
                    raise BroadcastLost("Redis does not answer")
            # Anything else answers a ping or an unsubscription.
            kind = answer[0].decode() if isinstance(answer, list) else ""
            if kind in ("message", "subscribe"):
                content = answer[2] if kind == "message" else b""
                return kind, answer[1].decode(), content

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _send(self, *command: str) -> None:
        if self._connection is None:
            raise BroadcastLost("not connected")
        await self._guarded(self._connection.send_command(*command, check_health=False))

    async def _read(self, within_s: float) -> Any:
        """The next answer, or None after `within_s`."""
        connection = self._connection
        if connection is None:
            raise BroadcastLost("not connected")
        return await self._guarded(
            connection.read_response(
                disable_decoding=True, timeout=within_s, disconnect_on_error=False
            )
        )

    async def _guarded(self, action: Any) -> Any:
        from redis.exceptions import RedisError

        try:
            return await action
        except (RedisError, OSError, EOFError) as e:
            await self.close()
            raise BroadcastLost(str(e)) from e
