"""What a follower missed: from the job's Redis stream if that is whole, else from PostgreSQL."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from netra.progress.channels import job_stream
from netra.progress.message import Message, Position, read
from netra.schemas.socket import JobHead
from netra.store import batch, fact
from netra.store.postgres import AsyncConnection, checkout

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)


class Record(Protocol):
    """Where facts are kept for good."""

    async def after(self, tenant_id: str, seen: Mapping[str, Position], n: int) -> list[Message]:
        """The next facts of several jobs, at most `n` in all, by job, epoch and seq."""
        ...

    async def begin(
        self, tenant_id: str, job_id: str, epoch: int | None, n: int
    ) -> tuple[Position, list[Message]] | None:
        """The job's last fact, and its first `n` from that epoch on (None: the current one).

        None: there is no such job, or it is somebody else's.
        """
        ...

    async def heads(self, jobs: Collection[str]) -> dict[str, Position]:
        """The last fact of each job."""
        ...

    async def batch_sums(self, batches: Collection[str]) -> dict[str, tuple[int, int, int]]:
        """`(jobs, sum of epochs, sum of seqs)` of each batch."""
        ...

    async def batch_heads(self, tenant_id: str, batch_id: str) -> list[JobHead] | None:
        """Where each job of a batch stands; None if there is no such batch of the tenant."""
        ...


class PostgresRecord:
    """The record in PostgreSQL. Catching up takes few connections, however many followers do."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], *, at_once: int = 6) -> None:
        self.pool = pool
        self._turn = asyncio.Semaphore(at_once)

    async def after(self, tenant_id: str, seen: Mapping[str, Position], n: int) -> list[Message]:
        async with self._turn, checkout(self.pool) as connection:
            rows = await fact.after(connection, tenant_id, seen, n)
        return [Message.from_row(row) for row in rows]

    async def begin(
        self, tenant_id: str, job_id: str, epoch: int | None, n: int
    ) -> tuple[Position, list[Message]] | None:
        async with self._turn, checkout(self.pool) as connection:
            found = await fact.begin(connection, tenant_id, UUID(job_id), epoch, n)
        if found is None:
            return None
        head, rows = found
        return Position(*head), [Message.from_row(row) for row in rows]

    async def heads(self, jobs: Collection[str]) -> dict[str, Position]:
        async with checkout(self.pool) as connection:
            found = await fact.heads(connection, jobs)
        return {job_id: Position(*seen) for job_id, seen in found.items()}

    async def batch_sums(self, batches: Collection[str]) -> dict[str, tuple[int, int, int]]:
        async with checkout(self.pool) as connection:
            return await fact.batch_sums(connection, batches)

    async def batch_heads(self, tenant_id: str, batch_id: str) -> list[JobHead] | None:
        async with self._turn, checkout(self.pool) as connection:
            return await batch.heads(connection, tenant_id, UUID(batch_id))


class Recent(Protocol):
    """Where a job's last facts are at hand, perhaps."""

    async def between(
        self, tenant_id: str, job_id: str, seen: Position, head: Position
    ) -> list[Message] | None:
        """The facts after `seen` up to `head`; None unless each of them is there."""
        ...


class StreamRecent:
    """Reads a job's Redis stream: spares PostgreSQL when many come back at once."""

    #: Redis is asked for this long; PostgreSQL knows as well.
    within_s = 0.25
    #: More facts than this are read from PostgreSQL.
    most = 200

    def __init__(self, redis: Redis, *, at_once: int = 8) -> None:
        self.redis = redis
        self._turn = asyncio.Semaphore(at_once)

    async def between(
        self, tenant_id: str, job_id: str, seen: Position, head: Position
    ) -> list[Message] | None:
        missing = head.seq - seen.seq
        if seen.epoch != head.epoch or missing > self.most:
            return None
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(self.within_s), self._turn:
                # Several processes publish: entries may be repeated and out of order.
                entries: Any = await self.redis.xrevrange(
                    job_stream(tenant_id, job_id), count=2 * missing + 16
                )
        except (RedisError, OSError, TimeoutError) as e:
            log.debug("replaying job %s from PostgreSQL: %s", job_id, e)
            return None
        found: dict[Position, Message] = {}
        for _, fields in entries or ():
            for message in map(read, fields.values()):
                if message is not None and seen < message.position <= head:
                    found[message.position] = message
        wanted = [Position(head.epoch, seq) for seq in range(seen.seq + 1, head.seq + 1)]
        if any(position not in found for position in wanted):
            return None
        return [found[position] for position in wanted]
