"""One broadcast connection for all followers of a process, and the check that nothing was lost.

A channel is listened to from its first follower to its last. Messages are read once and offered
to each. Whatever the broadcast loses, the record makes up for: after every reconnection, and
every `reconcile_s`, with one query for all followed jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import defaultdict

from netra.errors import NetraError
from netra.progress.background import end
from netra.progress.broadcast import Broadcast, BroadcastLost
from netra.progress.follow import Follower
from netra.progress.message import Position, read_all
from netra.progress.replay import Recent, Record
from netra.settings import Progress

log = logging.getLogger(__name__)

#: How long a follower waits until its channel is listened to, seconds; the check makes up for it.
_TUNE_S = 1.0
#: Channels named in one command.
_CHANNELS_AT_ONCE = 1000
#: The check may take this share of the time.
_CHECK_SHARE = 0.05


class Hub:
    def __init__(
        self,
        broadcast: Broadcast,
        record: Record,
        settings: Progress,
        recent: Recent | None = None,
    ) -> None:
        self.broadcast = broadcast
        self.record = record
        self.recent = recent
        self.settings = settings
        #: Who listens to a channel; the batch that the channel is of, if it is a batch's.
        self._listeners: dict[str, dict[Follower, str | None]] = {}
        #: Channels that the broadcast confirmed.
        self._live: set[str] = set()
        self._confirmed: dict[str, asyncio.Event] = {}
        self._connected = False
        #: Followers are sent away, since the process is going.
        self.ended = False
        #: Whether messages may have been sent while nobody listened.
        self._missed = False
        self._check_now = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._listen(), name="hub-listen"),
            asyncio.create_task(self._check(), name="hub-check"),
        ]

    def end(self) -> None:
        """Sends every follower away, those that are still to come as well."""
        self.ended = True
        for follower in self._followers():
            follower.wake()

    async def close(self) -> None:
        await end(self._tasks)
        await self.broadcast.close()

    async def tune(self, channel: str, follower: Follower, batch_id: str | None = None) -> None:
        """Offers the channel's messages to the follower, and waits until it is listened to."""
        self._listeners.setdefault(channel, {})[follower] = batch_id
        if channel in self._live or not self._connected:
            return
        confirmed = self._confirmed.get(channel)
        if confirmed is None:
            confirmed = self._confirmed[channel] = asyncio.Event()
            with contextlib.suppress(BroadcastLost):
                await self.broadcast.subscribe([channel])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TUNE_S):
                await confirmed.wait()

    async def untune(self, channel: str, follower: Follower) -> None:
        listeners = self._listeners.get(channel, {})
        if follower not in listeners:
            return
        del listeners[follower]
        if listeners:
            return
        del self._listeners[channel]
        self._live.discard(channel)
        self._confirmed.pop(channel, None)
        with contextlib.suppress(BroadcastLost):
            await self.broadcast.unsubscribe([channel])

    async def _listen(self) -> None:
        """Keeps the connection, whatever happens to it."""
        delay = 0.05
        while True:
            try:
                await self._connect()
                delay = 0.05
                while True:
                    kind, channel, content = await self.broadcast.receive()
                    if kind == "subscribe":
                        self._confirm(channel)
                    else:
                        self._fan_out(channel, content)
            except BroadcastLost as e:
                log.warning("listening again in %.2f s: %s", delay, e)
            except Exception:
                log.exception("listening again in %.2f s", delay)
            self._lose()
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))
            delay = min(delay * 2, 1.0)

    async def _connect(self) -> None:
        await self.broadcast.connect()
        self._connected = True
        self._missed = True
        channels = list(self._listeners)
        for channel in channels:
            self._confirmed.setdefault(channel, asyncio.Event())
        for i in range(0, len(channels), _CHANNELS_AT_ONCE):
            await self.broadcast.subscribe(channels[i : i + _CHANNELS_AT_ONCE])

    def _lose(self) -> None:
        self._connected = False
        self._live.clear()
        for confirmed in self._confirmed.values():
            confirmed.set()
        self._confirmed.clear()

    def _confirm(self, channel: str) -> None:
        if channel in self._listeners:
            self._live.add(channel)
        confirmed = self._confirmed.pop(channel, None)
        if confirmed is not None:
            confirmed.set()
        if self._missed and not self._confirmed:
            # What was sent while nobody listened is in the record.
            self._missed = False
            self._check_now.set()

    def _fan_out(self, channel: str, content: bytes) -> None:
        for message in read_all(content):
            for follower, batch_id in self._listeners.get(channel, {}).items():
                follower.offer(message, batch_id)

    async def _check(self) -> None:
        """Compares followers with the record, now and then."""
        loop = asyncio.get_running_loop()
        pause = self.settings.reconcile_s
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._check_now.wait()
            self._check_now.clear()
            begun = loop.time()
            try:
                await self._reconcile()
            except NetraError as e:
                log.warning("followers are checked later: %s", e)
            except Exception:
                log.exception("followers are checked later")
            pause = max(self.settings.reconcile_s, (loop.time() - begun) / _CHECK_SHARE)

    def _followers(self) -> set[Follower]:
        return {f for listeners in self._listeners.values() for f in listeners}

    async def _reconcile(self) -> None:
        followers = self._followers()
        jobs = set[str]().union(*(f.jobs for f in followers))
        if jobs:
            heads = await self.record.heads(jobs)
            for follower in followers:
                follower.reconcile({j: heads[j] for j in follower.jobs if j in heads})
        batches: dict[str, list[Follower]] = defaultdict(list)
        for follower in followers:
            for batch_id in follower.batches:
                batches[batch_id].append(follower)
        if batches:
            await self._reconcile_batches(batches)

    async def _reconcile_batches(self, batches: dict[str, list[Follower]]) -> None:
        """Looks at a batch's jobs one by one only when their sum has moved."""
        sums = await self.record.batch_sums(batches)
        for batch_id, total in sums.items():
            late = [f for f in batches[batch_id] if batch_id in f.batches]
            late = [f for f in late if f.batch_sum(batch_id) != total]
            if late:
                found = await self.record.batch_heads(late[0].tenant_id, batch_id) or []
                heads = {head.id: Position(head.epoch, head.seq) for head in found}
                for follower in late:
                    follower.reconcile(heads, batch_id)
