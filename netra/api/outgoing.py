"""Facts on their way out: published right after the commit, beside the request that made them.

What is not published (Redis is away, the process dies) stays in PostgreSQL's outbox, and the
scheduler sends it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from psycopg_pool import AsyncConnectionPool

from netra.errors import NetraError
from netra.progress.background import end
from netra.settings import Progress
from netra.store import queue
from netra.store.postgres import AsyncConnection, checkout
from netra.store.queue import FactMessage

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

#: What was published is taken out of the outbox this often, many rows at once, seconds.
_MARK_S = 0.1
#: Redis is given this long for one round of facts, seconds.
_PUBLISH_S = 2.0


class Outgoing:
    """Publishes in the background, in the order in which facts were handed over."""

    def __init__(
        self, pool: AsyncConnectionPool[AsyncConnection], redis: Redis, settings: Progress
    ) -> None:
        self.pool = pool
        self.redis = redis
        self.settings = settings
        self._waiting: list[FactMessage] = []
        self._published: list[FactMessage] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._publish_forever(), name="outgoing-publish"),
            asyncio.create_task(self._mark_forever(), name="outgoing-mark"),
        ]

    async def close(self) -> None:
        """Sends what is waiting, then stops."""
        self._closing = True
        self._wake.set()
        await asyncio.wait(self._tasks, timeout=2 * _PUBLISH_S)
        await end(self._tasks)
        await self._mark()

    def send(self, facts: Sequence[FactMessage]) -> None:
        """Takes facts of a transaction that is committed."""
        self._waiting.extend(facts)
        self._wake.set()

    async def _publish_forever(self) -> None:
        while self._waiting or not self._closing:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._publish()
            except Exception:
                log.exception("facts are left to the scheduler")

    async def _publish(self) -> None:
        from netra.progress.publish import publish_async

        while facts := self._waiting:
            self._waiting = []
            try:
                async with asyncio.timeout(_PUBLISH_S):
                    sent = await publish_async(self.redis, facts, self.settings)
            except TimeoutError:
                sent = False
                log.warning("%d facts are left to the scheduler: Redis is too slow", len(facts))
            if sent:
                self._published.extend(facts)

    async def _mark_forever(self) -> None:
        while not self._closing:
            await asyncio.sleep(_MARK_S)
            await self._mark()

    async def _mark(self) -> None:
        facts, self._published = self._published, []
        if not facts:
            return
        try:
            async with checkout(self.pool) as connection:
                await queue.sent(connection, list({fact["outbox"] for fact in facts}))
        except NetraError as e:
            log.warning("%d sent facts will be sent again: %s", len(facts), e)
        except Exception:
            log.exception("%d sent facts will be sent again", len(facts))
