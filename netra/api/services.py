"""What the API's endpoints work with: stores, keys, followers; opened and closed with the app."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from litestar.di import NamedDependency

from netra.api.access import KeyRing, Tickets
from netra.api.blocking import BlockingWork
from netra.api.intake import Intake
from netra.api.outgoing import Outgoing
from netra.api.queue_metrics import QueueMetrics
from netra.clock import SYSTEM, Clock
from netra.progress.broadcast import RedisBroadcast
from netra.progress.hub import Hub
from netra.progress.replay import PostgresRecord, StreamRecent
from netra.settings import Settings
from netra.store import postgres, redis


class Services:
    """One of each, per process. Not a dataclass: the framework would try to validate it."""

    def __init__(self, settings: Settings, clock: Clock = SYSTEM) -> None:
        self.settings = settings
        self.clock = clock
        self.pool = postgres.pool(settings.database, "api")
        self.redis = redis.connect_async(settings.redis)
        self.keys = KeyRing(self.pool, clock)
        self.tickets = Tickets(settings.api, self.redis, clock)
        #: Where followers are offered what comes.
        self.hub = Hub(
            RedisBroadcast(settings.redis),
            PostgresRecord(self.pool),
            settings.progress,
            StreamRecent(self.redis),
        )
        #: Where facts of committed transactions go.
        self.outgoing = Outgoing(self.pool, settings)
        #: Where jobs are submitted.
        self.intake = Intake(self.pool, settings.queue.worker_stale_s)
        self.queue_metrics = QueueMetrics(
            self.pool, settings.queue.worker_stale_s, settings.metrics.tenants
        )
        #: Threads for what would hold up the event loop.
        self.blocking = BlockingWork(settings.api)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Stores that are away are waited for by those who need them, not here."""
        await self.pool.open(wait=False)
        self.hub.start()
        await self.outgoing.start()
        self.intake.start()
        try:
            yield
        finally:
            await self.hub.close()
            await self.intake.close()
            await self.outgoing.close()
            self.blocking.close()
            await self.redis.aclose()
            await self.pool.close()


#: What an endpoint declares to be given them.
Served = NamedDependency[Services]
