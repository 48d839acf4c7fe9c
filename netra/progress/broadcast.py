"""What carries messages between processes: a seam, and Redis pub/sub (`memory` has its twin).

A broadcast may lose and repeat messages, and its connection may break; who listens must not care.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from typing import Any, NoReturn, Protocol, TypeVar

from netra.progress.resp import Answer, Refusal, Replies, packed
from netra.settings import Redis as RedisSettings

T = TypeVar("T")

_READ_BYTES = 65_536


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
        self._connection: Any = None
        self._replies = Replies()
        #: Read, and not yet received.
        self._come: deque[Answer] = deque()

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
            while self._come:
                match self._come.popleft():
                    case [b"message", bytes(channel), bytes(content)]:
                        return "message", channel.decode(), content
                    case [b"subscribe", bytes(channel), _]:
                        return "subscribe", channel.decode(), b""
                    case Refusal() as refusal:
                        await self._lose(refusal)
                    case _:
                        pass  # answers a ping or an unsubscription
            if not await self._read(self.ping_s):
                await self._send("PING")
                if not await self._read(self.ping_s):
                    await self._lose("Redis does not answer")

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        self._replies = Replies()
        self._come.clear()
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _send(self, *command: str) -> None:
        writer = self._live()._writer
        writer.write(packed([command]))
        await self._guarded(writer.drain())

    async def _read(self, within_s: float) -> bool:
        """Reads what comes next; False: nothing within so long."""
        reader = self._live()._reader
        try:
            async with asyncio.timeout(within_s):
                read = await self._guarded(reader.read(_READ_BYTES))
        except TimeoutError:
            return False
        if not read:
            await self._lose("Redis closed the connection")
        try:
            self._come.extend(self._replies.feed(read))
        except Refusal as e:
            await self._lose(e)
        return True

    def _live(self) -> Any:
        if self._connection is None:
            raise BroadcastLost("not connected")
        return self._connection

    async def _guarded(self, action: Awaitable[T]) -> T:
        from redis.exceptions import RedisError

        try:
            return await action
        except (RedisError, OSError, EOFError) as e:
            await self._lose(e)

    async def _lose(self, why: object) -> NoReturn:
        await self.close()
        raise BroadcastLost(str(why)) from (why if isinstance(why, Exception) else None)
