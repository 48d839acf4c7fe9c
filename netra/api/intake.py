"""Where validated jobs enter: one transaction.

A commit costs far more than a row, so single jobs that arrive together share one, and those that
arrive while it is under way share the next.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import psycopg
from psycopg_pool import AsyncConnectionPool

from netra.engine.submit import Draft, Submitted, submit
from netra.errors import Conflict, Problem
from netra.progress.background import end
from netra.store.postgres import AsyncConnection, checkout

log = logging.getLogger(__name__)

#: Jobs written by one statement.
_AT_ONCE = 1000
#: A second commit begins beside one that has taken so long, seconds: it may wait for a key that a
#: large batch holds.
_SLOW_S = 0.02
_WRITERS = 2
#: So many wait for nobody else.
_ENOUGH = 32

_Waiting = tuple[Draft, "asyncio.Future[Submitted]"]


class Intake:
    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], stale_s: float) -> None:
        """
        Args:
            stale_s: a worker whose heartbeat is older has no slots, seconds.
        """
        self.pool = pool
        self.stale_s = stale_s
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._commit = asyncio.Lock()
        self._writers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._writers = [
            asyncio.create_task(self._write_forever(), name=f"intake-{i}") for i in range(_WRITERS)
        ]

    async def close(self) -> None:
        await end(self._writers)

    async def submit(self, draft: Draft) -> Submitted:
        """Writes one job that depends on nothing else in the database.

        Raises:
            Conflict: its idempotency key was used with another body.
        """
        future: asyncio.Future[Submitted] = asyncio.get_running_loop().create_future()
        self._waiting.append((draft, future))
        self._wake.set()
        submitted = await future
        _check_body(submitted, "Idempotency-Key", draft)
        return submitted

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Entry]:
        """For jobs that are written together, or with what they depend on: all or nothing."""
        async with checkout(self.pool) as connection, connection.transaction():
            yield Entry(connection)

    async def _write_forever(self) -> None:
        while True:
            await self._wake.wait()
            async with self._turn():
                await self._company()
                group, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                if not self._waiting:
                    self._wake.clear()
                if group:
                    await self._write(group)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One commit at a time, unless one is slow."""
        held = False
        with suppress(TimeoutError):
            async with asyncio.timeout(_SLOW_S):
                held = await self._commit.acquire()
        try:
            yield
        finally:
            if held:
                self._commit.release()

    async def _company(self) -> None:
        """Waits for those who come at the same time: as long as each turn of the loop brings some.
        Who comes alone waits for one turn."""
        seen = 0
        while seen < len(self._waiting) < _ENOUGH:
            seen = len(self._waiting)
            await asyncio.sleep(0)

    async def _write(self, group: Sequence[_Waiting]) -> None:
        """Writes a group in one transaction; if that fails for one of it, each in its own."""
        try:
            async with checkout(self.pool) as connection:
                drafts = [draft for draft, _ in group]
                answers = await submit(connection, drafts, stale_s=self.stale_s)
        except Exception as e:
            if len(group) > 1 and isinstance(e, psycopg.Error):
                for one in group:
                    await self._write([one])
                return
            _fail(group, e)
            return
        except BaseException:
            _fail(group, asyncio.CancelledError())
            raise
        for (_, future), answer in zip(group, answers, strict=True):
            if not future.done():
                future.set_result(answer)


def _fail(group: Sequence[_Waiting], error: BaseException) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)


class Entry:
    """An open transaction that takes jobs."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection

    async def submit(
        self, drafts: Sequence[Draft], where: str = "jobs[{}].idempotency_key"
    ) -> list[Submitted]:
        """Writes the drafts.

        Raises:
            Conflict: an idempotency key was used with another body.
        """
        answers: list[Submitted] = []
        for i in range(0, len(drafts), _AT_ONCE):
            answers += await submit(self.connection, drafts[i : i + _AT_ONCE])
        for i, (answer, draft) in enumerate(zip(answers, drafts, strict=True)):
            _check_body(answer, where.format(i), draft)
        return answers


def _check_body(submitted: Submitted, where: str, draft: Draft) -> None:
    if not submitted.same_body:
        problem = Problem(
            where=where,
            problem=f"job {submitted.id} was submitted with this key and another body",
            got=draft.idempotency_key,
            expected="the same body, or another key",
        )
        raise Conflict("the idempotency key was used for another job", [problem])
