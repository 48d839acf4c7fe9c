"""A hub on the twins in memory, and clients that take what they are given."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from netra.progress.channels import batch_channel, job_channel
from netra.progress.follow import Follower
from netra.progress.hub import Hub
from netra.progress.memory import MemoryBroadcast, MemoryBus, MemoryRecord
from netra.progress.message import Message
from netra.settings import Progress

TENANT = "acme"


@dataclass
class World:
    bus: MemoryBus
    record: MemoryRecord
    hub: Hub

    def happen(
        self,
        job: str,
        kind: str = "stage.started",
        *,
        epoch: int = 1,
        batch: str | None = None,
        publish: bool = True,
    ) -> Message:
        """A fact becomes true, and is published unless it gets lost."""
        fact = self.record.add(job, kind, epoch=epoch)
        if publish:
            self.publish(fact, batch)
        return fact

    def publish(self, fact: Message, batch: str | None = None) -> None:
        self.bus.publish(job_channel(TENANT, fact.job_id), fact.raw)
        if batch is not None:
            self.bus.publish(batch_channel(TENANT, batch), fact.raw)

    def tick(self, job: str, stage: str, fraction: float) -> None:
        content = {"type": "tick", "job_id": job, "stage": stage, "fraction": fraction}
        self.bus.publish(job_channel(TENANT, job), msgspec.json.encode(content))

    def follower(self, *, tenant: str = TENANT, limit: int = 256) -> Follower:
        return Follower(self.hub, tenant, limit=limit)

    def direct(self, *, limit: int = 256) -> tuple[Follower, Direct]:
        """A follower whose client takes messages at once, as long as it is willing."""
        way = Direct()
        return Follower(self.hub, TENANT, limit=limit, at_once=way.take), way


@dataclass
class Direct:
    """A client's connection that has room, or has none."""

    room: bool = True
    taken: list[Message] = field(default_factory=list)

    def take(self, message: Message) -> bool:
        if self.room:
            self.taken.append(message)
        return self.room


@asynccontextmanager
async def world(reconcile_s: float = 0.05) -> AsyncIterator[World]:
    bus = MemoryBus()
    record = MemoryRecord(TENANT)
    hub = Hub(MemoryBroadcast(bus), record, Progress(reconcile_s=reconcile_s))
    hub.start()
    await asyncio.sleep(0)
    try:
        yield World(bus, record, hub)
    finally:
        await hub.close()


async def take(follower: Follower, n: int, within_s: float = 30.0) -> list[Message]:
    """The next `n` messages."""
    async with asyncio.timeout(within_s):
        return [await follower.next() for _ in range(n)]


async def settled() -> None:
    """Lets everything happen that waits for nothing: the twins in memory do no I/O."""
    for _ in range(100):
        await asyncio.sleep(0)


async def nothing(follower: Follower, for_s: float = 0.12) -> bool:
    """Whether the follower is given nothing for a while."""
    try:
        async with asyncio.timeout(for_s):
            await follower.next()
    except TimeoutError:
        return True
    return False


def seqs(messages: list[Message]) -> list[tuple[int, int]]:
    return [(m.epoch, m.seq) for m in messages]


def content(message: Message) -> Any:
    return json.loads(message.raw)
