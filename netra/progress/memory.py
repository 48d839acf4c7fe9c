"""Twins in memory of what following needs: a broadcast, and the record of facts."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import msgspec

from netra.progress.broadcast import BroadcastLost
from netra.progress.message import START, TERMINAL, Message, Position
from netra.schemas.socket import JobHead


class MemoryBus:
    """The twin's wire: carries messages between the broadcasts of one process."""

    def __init__(self) -> None:
        self.broadcasts: list[MemoryBroadcast] = []
        self.up = True

    def publish(self, channel: str, content: bytes) -> None:
        for broadcast in self.broadcasts:
            if channel in broadcast.channels:
                broadcast.inbox.put_nowait(("message", channel, content))

    def cut(self) -> None:
        """Breaks every connection, and refuses new ones until `mend`."""
        self.up = False
        for broadcast in self.broadcasts:
            broadcast.inbox.put_nowait(None)
            broadcast.channels.clear()

    def mend(self) -> None:
        self.up = True


class MemoryBroadcast:
    """A broadcast within the process."""

    def __init__(self, bus: MemoryBus) -> None:
        self.bus = bus
        self.channels: set[str] = set()
        self.inbox: asyncio.Queue[tuple[str, str, bytes] | None] = asyncio.Queue()

    async def connect(self) -> None:
        if not self.bus.up:
            raise BroadcastLost("the bus is cut")
        self.channels.clear()
        self.inbox = asyncio.Queue()
        if self not in self.bus.broadcasts:
            self.bus.broadcasts.append(self)

    async def subscribe(self, channels: Sequence[str]) -> None:
        if not self.bus.up:
            raise BroadcastLost("the bus is cut")
        for channel in channels:
            self.channels.add(channel)
            self.inbox.put_nowait(("subscribe", channel, b""))

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        self.channels.difference_update(channels)

    async def receive(self) -> tuple[str, str, bytes]:
        message = await self.inbox.get()
        if message is None:
            raise BroadcastLost("the bus was cut")
        return message

    async def close(self) -> None:
        if self in self.bus.broadcasts:
            self.bus.broadcasts.remove(self)


class MemoryRecord:
    """The record of one tenant's facts, appended to by `add`."""

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id
        self.facts: dict[str, list[Message]] = defaultdict(list)
        self.batches: dict[str, list[str]] = defaultdict(list)
        #: How often `after` was asked.
        self.reads = 0

    def add(self, job_id: str, kind: str, *, epoch: int = 1, stage: str | None = None) -> Message:
        """The job's next fact."""
        last = self.facts[job_id][-1].position if self.facts[job_id] else START
        seq = last.seq + 1 if last.epoch == epoch else 1
        content = {"type": "fact", "job_id": job_id, "epoch": epoch, "seq": seq, "kind": kind}
        raw = msgspec.json.encode({**content, "stage": stage, "payload": {}})
        fact = Message("fact", job_id, epoch, seq, kind, stage, raw)
        self.facts[job_id].append(fact)
        return fact

    async def after(self, tenant_id: str, seen: Mapping[str, Position], n: int) -> list[Message]:
        self.reads += 1
        await asyncio.sleep(0)
        if tenant_id != self.tenant_id:
            return []
        later = [f for j in sorted(seen) for f in self.facts[j] if f.position > seen[j]]
        return later[:n]

    async def begin(
        self, tenant_id: str, job_id: str, epoch: int | None, n: int
    ) -> tuple[Position, list[Message]] | None:
        await asyncio.sleep(0)
        if tenant_id != self.tenant_id or job_id not in self.facts:
            return None
        head = self.facts[job_id][-1].position
        start = Position(epoch or head.epoch, 0)
        return head, [fact for fact in self.facts[job_id] if fact.position > start][:n]

    async def heads(self, jobs: Collection[str]) -> dict[str, Position]:
        await asyncio.sleep(0)
        return {j: self.facts[j][-1].position for j in jobs if j in self.facts}

    async def batch_sums(self, batches: Collection[str]) -> dict[str, tuple[int, int, int]]:
        sums: dict[str, tuple[int, int, int]] = {}
        for batch_id in batches:
            heads = await self.heads(self.batches[batch_id])
            epochs = sum(p.epoch for p in heads.values())
            sums[batch_id] = (len(heads), epochs, sum(p.seq for p in heads.values()))
        return sums

    async def batch_heads(self, tenant_id: str, batch_id: str) -> list[JobHead] | None:
        if tenant_id != self.tenant_id or batch_id not in self.batches:
            return None
        heads = await self.heads(self.batches[batch_id])
        return [
            JobHead(id=job_id, state=self._state(job_id), epoch=there.epoch, seq=there.seq)
            for job_id, there in heads.items()
        ]

    def _state(self, job_id: str) -> str:
        """The job's state, as its facts of the last epoch say."""
        epoch = self.facts[job_id][-1].epoch
        kinds = [f.kind for f in self.facts[job_id] if f.epoch == epoch]
        for kind in TERMINAL:
            if kind in kinds:
                return kind.removeprefix("job.")
        return "running" if "job.started" in kinds else "queued"
