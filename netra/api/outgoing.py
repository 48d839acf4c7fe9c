"""Facts on their way out: sent right after the commit, beside the request that made them.

What is not sent (Redis is away, the process dies) stays in PostgreSQL's outbox, and the scheduler
sends it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from psycopg_pool import AsyncConnectionPool

from netra.errors import NetraError
from netra.progress.background import end
from netra.settings import Settings
from netra.store import queue
from netra.store.postgres import AsyncConnection, checkout
from netra.store.queue import FactMessage

log = logging.getLogger(__name__)

#: What was sent is taken out of the outbox this often, many rows at once, seconds.
_MARK_S = 0.1
#: Answers are waited for so long when the process ends, seconds.
_LAST_WORDS_S = 1.0
#: And looked for this often meanwhile, seconds.
_LOOK_S = 0.01


class Outgoing:
    """An outbox on the event loop: sends in the order in which facts are handed over."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], settings: Settings) -> None:
        from netra.progress.outbox import Outbox

        self.pool = pool
        self._outbox = Outbox(settings)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        # The only call that may wait, for a moment.
        await asyncio.to_thread(self._outbox.open)
        self._tasks = [asyncio.create_task(self._mark_forever(), name="outgoing-mark")]

    async def close(self) -> None:
        """Waits a moment for Redis to have what it was told, then stops."""
        await end(self._tasks)
        until = asyncio.get_running_loop().time() + _LAST_WORDS_S
        await self._mark()
        while self._outbox.unanswered and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(_LOOK_S)
            await self._mark()
        self._outbox.close()

    def send(self, facts: Sequence[FactMessage]) -> None:
        """Takes facts of a transaction that is committed."""
        self._outbox.send(facts)

    async def _mark_forever(self) -> None:
        while True:
            await asyncio.sleep(_MARK_S)
            await self._mark()

    async def _mark(self) -> None:
        rows = self._outbox.sent
        if not rows:
            return
        try:
            async with checkout(self.pool) as connection:
                await queue.sent(connection, rows)
        except NetraError as e:
            log.warning("facts of %d transactions will be sent again: %s", len(rows), e)
        except Exception:
            log.exception("facts of %d transactions will be sent again", len(rows))
        self._outbox.struck(rows)
