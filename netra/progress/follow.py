"""One client's subscriptions: each fact once and in order, at the client's own speed.

What comes live is handed over at once, if the client takes it, or queued while it is the next of
its job; everything else — a hole, a new epoch, a full queue — makes the job *behind*, and once the
client has taken what is queued, the job is caught up from the record. So memory is bounded,
nothing is lost, and nobody else is held back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from netra.errors import NetraError, NotFound
from netra.progress.channels import batch_channel, job_channel
from netra.progress.message import START, Message, Position
from netra.schemas.socket import JobHead

if TYPE_CHECKING:
    from netra.progress.hub import Hub

log = logging.getLogger(__name__)


class Ended(Exception):
    """The process is going: whoever follows should come back to another."""


#: Jobs caught up by one query at most.
_JOBS_AT_ONCE = 200


def _never(message: Message) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Joined:
    """How following a job began."""

    #: From where on the client gets facts.
    position: Position
    #: The job's last fact at that time.
    head: Position
    #: The client named a position that the job has not reached: its epoch is sent from the start.
    ahead: bool


class Follower:
    """Hands out messages to one client by `next`; the hub offers it what comes."""

    def __init__(
        self,
        hub: Hub,
        tenant_id: str,
        *,
        limit: int = 256,
        at_once: Callable[[Message], bool] = _never,
    ) -> None:
        """
        Args:
            limit: facts queued at most, for a client that is slower than they come.
            at_once: sends a message without waiting, unless the client must be waited for; what
                it refuses comes by `next`. Spares a task's turn for each message.
        """
        self.hub = hub
        self.tenant_id = tenant_id
        self.limit = limit
        self.at_once = at_once
        #: The last fact queued, by job.
        self.positions: dict[str, Position] = {}
        self.jobs: set[str] = set()
        self.batches: dict[str, set[str]] = {}
        #: Jobs to be caught up; True: something came since the record was last asked.
        self._behind: dict[str, bool] = {}
        #: Jobs whose position is being found out, and the facts that came meanwhile; the first
        #: one over the limit says that there were more.
        self._joining: dict[str, list[Message]] = {}
        #: The same for batches: jobs of which something came meanwhile.
        self._joining_batches: dict[str, set[str]] = {}
        self._facts: deque[Message] = deque()
        self._ticks: dict[tuple[str, str | None], Message] = {}
        self._replies: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._retry_at = 0.0
        self._retry_s = 0.0

    # --- the client's side

    async def follow_job(self, job_id: str, after_seq: int, epoch: int | None) -> Joined:
        """Follows a job after `(epoch, after_seq)`; the current epoch unless it is given.

        Raises:
            NotFound: the tenant has no such job.
        """
        self._joining[job_id] = []
        try:
            # Listen first, then look: what comes in between is kept until then.
            await self.hub.tune(job_channel(self.tenant_id, job_id), self)
            # A job's first fact is in the record alone; later ones may be at hand.
            room = 0 if after_seq else max(self.limit - len(self._facts), 0)
            found = await self.hub.record.begin(self.tenant_id, job_id, epoch or None, room)
            if found is None:
                raise NotFound(f"there is no job {job_id}")
            head, missed = found
            position = Position(epoch or head.epoch, after_seq)
            ahead = position > head
            if ahead:
                position = Position(head.epoch, 0)
            if after_seq:
                missed = await self._recent(job_id, position, head)
        except BaseException:
            came = self._joining.pop(job_id, ())
            if job_id in self.positions:
                # It was followed before, and still is.
                self._take_kept(job_id, came)
            if job_id not in self.jobs:
                await self.hub.untune(job_channel(self.tenant_id, job_id), self)
            raise
        came = self._joining.pop(job_id, None)
        self.jobs.add(job_id)
        self._behind.pop(job_id, None)
        self.positions[job_id] = position
        if missed is not None:
            self._queue(missed)
        if missed is None or came is None or self.positions[job_id] < head:
            self._behind[job_id] = True
        self._take_kept(job_id, came or ())
        self._wake.set()
        return Joined(position=position, head=head, ahead=ahead)

    async def _recent(self, job_id: str, seen: Position, head: Position) -> list[Message] | None:
        if seen >= head:
            return []
        if self.hub.recent is None or head.seq - seen.seq > self.limit - len(self._facts):
            return None
        return await self.hub.recent.between(self.tenant_id, job_id, seen, head)

    async def follow_batch(
        self,
        batch_id: str,
        seen: Mapping[str, Position],
        tell: Callable[[Sequence[JobHead]], Iterable[bytes]],
    ) -> None:
        """Follows the batch's jobs from now on, those in `seen` from there, and jobs added later.

        Args:
            tell: what the client is told of the jobs, before any fact of them.

        Raises:
            NotFound: the tenant has no such batch.
        """
        channel = batch_channel(self.tenant_id, batch_id)
        came = self._joining_batches[batch_id] = set()
        try:
            await self.hub.tune(channel, self, batch_id)
            heads = await self.hub.record.batch_heads(self.tenant_id, batch_id)
            if heads is None:
                raise NotFound(f"there is no batch {batch_id}")
        except BaseException:
            del self._joining_batches[batch_id]
            if batch_id not in self.batches:
                await self.hub.untune(channel, self)
            raise
        del self._joining_batches[batch_id]
        self._replies.extend(map(_reply, tell(heads)))
        self.batches[batch_id] = {head.id for head in heads}
        for head in heads:
            there = Position(head.epoch, head.seq)
            if head.id not in self.jobs:
                self.positions[head.id] = min(seen.get(head.id, there), there)
            if head.id in came or self.positions[head.id] < there:
                self._behind[head.id] = True
        self.reconcile(dict.fromkeys(came - self.batches[batch_id], Position(1, 1)), batch_id)
        self._wake.set()

    async def leave_job(self, job_id: str) -> None:
        self.jobs.discard(job_id)
        await self.hub.untune(job_channel(self.tenant_id, job_id), self)
        self._forget([job_id])

    async def leave_batch(self, batch_id: str) -> None:
        jobs = self.batches.pop(batch_id, set())
        await self.hub.untune(batch_channel(self.tenant_id, batch_id), self)
        self._forget(jobs)

    async def close(self) -> None:
        for job_id in list(self.jobs):
            await self.leave_job(job_id)
        for batch_id in list(self.batches):
            await self.leave_batch(batch_id)

    async def say(self, *messages: bytes) -> None:
        """Queues answers to the client, ahead of facts; waits while it does not take them."""
        while len(self._replies) >= self.limit:
            self._room.clear()
            await self._room.wait()
        self._replies.extend(map(_reply, messages))
        self._wake.set()

    async def next(self) -> Message:
        """What to send next: an answer, a fact, or a tick; waits for one.

        Raises:
            Ended: the process is going, and all that was queued is sent.
        """
        while True:
            if self._replies:
                self._room.set()
                return self._replies.popleft()
            if self._facts:
                return self._facts.popleft()
            if self._behind and asyncio.get_running_loop().time() >= self._retry_at:
                await self._catch_up()
            elif self._ticks:
                return self._ticks.pop(next(iter(self._ticks)))
            elif self.hub.ended:
                raise Ended
            else:
                await self._sleep()

    @property
    def queued(self) -> int:
        """Live facts that wait for the client."""
        return len(self._facts)

    # --- the hub's side

    def wake(self) -> None:
        """Has `next` look again."""
        self._wake.set()

    def offer(self, message: Message, batch_id: str | None) -> None:
        """Takes a message that came over a channel; never waits."""
        job_id = message.job_id
        if message.type == "tick":
            if job_id in self.positions and not self._sent(message):
                self._ticks[(job_id, message.stage)] = message
                self._wake.set()
            return
        came = self._joining.get(job_id)
        if came is not None:
            if len(came) <= self.limit:
                came.append(message)
            return
        if batch_id in self._joining_batches:
            self._joining_batches[batch_id].add(job_id)
        seen = self.positions.get(job_id)
        if seen is None:
            if batch_id not in self.batches:
                return
            seen = self._adopt(batch_id, job_id)
        if self._follows(message, seen) and self._sent(message):
            self._pass(message)
        else:
            self._take(message)

    def reconcile(self, heads: Mapping[str, Position], batch_id: str | None = None) -> None:
        """Compares with what the record says, in case messages were lost."""
        for job_id, head in heads.items():
            seen = self.positions.get(job_id)
            if seen is None and batch_id in self.batches:
                seen = self._adopt(batch_id, job_id)
            if seen is not None and seen < head:
                self._behind[job_id] = True
                self._wake.set()

    def batch_sum(self, batch_id: str) -> tuple[int, int, int]:
        """`(jobs, sum of epochs, sum of seqs)` of what is queued, as the record counts them."""
        seen = [self.positions[j] for j in self.batches[batch_id] if j in self.positions]
        return len(seen), sum(p.epoch for p in seen), sum(p.seq for p in seen)

    def _adopt(self, batch_id: str | None, job_id: str) -> Position:
        """A job that was added to a batch after it was followed."""
        assert batch_id is not None
        self.batches[batch_id].add(job_id)
        self.positions[job_id] = START
        return START

    def _follows(self, message: Message, seen: Position) -> bool:
        """Whether it is the next one of a job that is not behind."""
        next_one = message.epoch == seen.epoch and message.seq == seen.seq + 1
        return next_one and message.job_id not in self._behind

    def _take(self, message: Message) -> None:
        """Queues a fact if it is the next of its job and there is room; it is missing otherwise."""
        seen = self.positions[message.job_id]
        if message.position <= seen:
            return
        if self._follows(message, seen) and len(self._facts) < self.limit:
            self._queue([message])
        else:
            self._behind[message.job_id] = True
        self._wake.set()

    def _take_kept(self, job_id: str, came: Sequence[Message]) -> None:
        """Queues what was kept while the job was joined."""
        for message in came:
            self._take(message)
        if len(came) > self.limit:
            self._behind[job_id] = True

    def _sent(self, message: Message) -> bool:
        """Whether the client took the message at once; never ahead of what is queued."""
        return not self._replies and not self._facts and self.at_once(message)

    def _queue(self, facts: Iterable[Message]) -> None:
        """Queues the next facts of followed jobs."""
        for fact in facts:
            self._pass(fact)
            self._facts.append(fact)

    def _pass(self, fact: Message) -> None:
        self.positions[fact.job_id] = fact.position
        # What is over says nothing more in passing.
        if self._ticks:
            self._ticks.pop((fact.job_id, fact.stage), None)

    def _forget(self, jobs: Iterable[str]) -> None:
        kept = self.jobs.union(*self.batches.values())
        for job_id in jobs:
            if job_id not in kept:
                self.positions.pop(job_id, None)
                self._behind.pop(job_id, None)
                for key in [k for k in self._ticks if k[0] == job_id]:
                    del self._ticks[key]

    async def _catch_up(self) -> None:
        """Reads the next facts of jobs that are behind, once nothing is queued."""
        chosen = list(islice(self._behind, _JOBS_AT_ONCE))
        self._behind.update(dict.fromkeys(chosen, False))
        seen = {job_id: self.positions[job_id] for job_id in chosen}
        try:
            found = await self.hub.record.after(self.tenant_id, seen, self.limit)
        except NetraError as e:
            self._retry_s = min(max(0.1, self._retry_s * 2), 2.0)
            self._retry_at = asyncio.get_running_loop().time() + self._retry_s
            log.warning("followers are caught up in %.1f s: %s", self._retry_s, e)
            return
        self._retry_s = 0.0
        # The client may have left a job, or asked for another position, in the meantime.
        same = {j for j in chosen if j in self._behind and self.positions.get(j) == seen[j]}
        self._queue(fact for fact in found if fact.job_id in same)
        if len(found) < self.limit:
            for job_id in same:
                if not self._behind[job_id]:
                    del self._behind[job_id]

    async def _sleep(self) -> None:
        self._wake.clear()
        late = self._retry_at - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(0.0, late) if self._behind else None):
                await self._wake.wait()
        except TimeoutError:
            pass


def _reply(raw: bytes) -> Message:
    return Message("reply", "", raw=raw)
