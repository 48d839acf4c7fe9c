"""How a job is followed: over a socket, else a stream, else by asking; never a fact twice.

A generator that decides and leaves doing to its driver, as in `retry`. It yields facts and ticks
for the caller between its steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from netra.client.problems import Unreachable, error_named
from netra.client.request import Request
from netra.client.retry import Pause, Retry, Send, exchange
from netra.errors import NetraError, StoreUnavailable
from netra.schemas.job import Job
from netra.schemas.page import Page
from netra.schemas.progress import Fact, Tick
from netra.schemas.socket import Authenticated, Pong, Snapshot, SocketError

Way = Literal["socket", "stream", "poll"]
Event = Fact | Tick

#: Facts after which an epoch has no more.
TERMINAL = ("job.succeeded", "job.failed", "job.cancelled")
#: The better ones first; asking always works.
WAYS: tuple[Way, ...] = ("socket", "stream", "poll")
#: A silent connection is left to the transports' own pings; this bounds the wait for a deadline.
_SILENCE_S = 30.0
#: A connection that was confirmed and held for this long ends an outage, even if all was quiet.
_HELD_S = 1.0
_POLL_S = 0.5


class NotFinished(NetraError):
    """The job is still running after the time that the caller would wait."""

    slug = "not-finished"


@dataclass(frozen=True, order=True)
class Position:
    """The last fact seen. The default is before the first one."""

    epoch: int = 0
    seq: int = 0

    @classmethod
    def of(cls, fact: Fact) -> Position:
        return cls(fact.epoch, fact.seq)


@dataclass(frozen=True)
class Open:
    """Step: connect and ask for what comes after `position`. Answer: None, or what failed.

    A stream that opened has joined the job. On a socket the server's next message says so: a
    ping goes after the subscription, for the jobs that have nothing to say.
    """

    way: Way
    job_id: str
    position: Position


@dataclass(frozen=True)
class Receive:
    """Step: wait for a message. Answer: it, None after the time has passed, or what failed."""

    within_s: float


@dataclass(frozen=True)
class Lost:
    """The connection ended, or could not be made: try again later."""

    reason: str


@dataclass(frozen=True)
class Barred:
    """This way cannot be gone at all, say because a proxy does not let it through."""

    reason: str


Step = Open | Receive | Send | Pause


@dataclass(frozen=True, kw_only=True)
class JobReads:
    """The two requests that following needs."""

    job: Request[Job]
    facts: Callable[[Position], Request[Page[Fact]]]


class Following:
    """One run of following one job."""

    def __init__(
        self,
        job_id: str,
        reads: JobReads,
        retry: Retry,
        *,
        after: Position | None = None,
        within_s: float | None = None,
        ways: Sequence[Way] = WAYS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.job_id = job_id
        self.reads = reads
        self.retry = retry
        self.position = after or Position()
        self.ways = list(ways)
        self.now = now
        self.within_s = within_s
        self.end = None if within_s is None else now() + within_s
        #: Epochs from this one on are followed to their end.
        self.epoch = 1
        self.finished = False

    def steps(self) -> Generator[Step | Event, Any, None]:
        """Yields steps to perform, and facts and ticks to hand on, until the job has ended.

        Raises:
            NotFound: there is no such job.
            NotFinished: `within_s` has passed.
            Unreachable: nobody answered for as long as the client is patient.
        """
        job = yield from exchange(self.reads.job, self.retry, self.now)
        self.epoch = job.epoch
        if job.state in ("succeeded", "failed", "cancelled"):
            self.finished = self.position >= Position(job.epoch, job.seq)
        while not self.finished:
            if self.ways[0] == "poll":
                yield from self._poll()
            else:
                barred = yield from self._listen(self.ways[0])
                if barred:
                    self.ways.pop(0)

    def _listen(self, way: Way) -> Generator[Step | Event, Any, bool]:
        """Follows one way, over as many connections as it takes; True if it cannot be gone."""
        patient_until = self.now() + self.retry.patience_s
        pauses = self.retry.pauses()
        while not self.finished:
            failed = yield Open(way, self.job_id, self.position)
            if failed is None:
                failed, good = yield from self._hear(confirmed=way == "stream")
                if good:
                    patient_until = self.now() + self.retry.patience_s
                    pauses = self.retry.pauses()
            if isinstance(failed, Barred):
                return True
            if failed is not None:
                pause = next(pauses)
                if self.now() + pause > patient_until:
                    raise Unreachable(
                        f"job {self.job_id} can no longer be followed: {failed.reason}"
                    )
                self.retry.tell(failed.reason)
                yield Pause(pause)
        return False

    def _hear(
        self, *, confirmed: bool
    ) -> Generator[Step | Event, Any, tuple[Lost | Barred | None, bool]]:
        """Takes messages from an open connection; what ended it, and whether it was a good one.

        It was if it brought something new, or held after it was confirmed. One that is dropped at
        once was not, or a server that does only that would be tried for ever, and without pause.
        """
        began: float | None = None
        new = False
        failed: Lost | Barred | None = None
        while failed is None and not self.finished:
            if confirmed and began is None:
                began = self.now()
                self.retry.tell(None)
            message = yield Receive(self._patience_s())
            if isinstance(message, Lost | Barred):
                failed = message
            elif message is not None:
                try:
                    event = read(message)
                except StoreUnavailable as e:
                    failed = Lost(e.detail)
                    break
                confirmed = True
                if event is not None and self._is_new(event):
                    new = True
                    yield event
        held = began is not None and self.now() - began >= _HELD_S
        return failed, new or held

    def _poll(self) -> Generator[Step | Event, Any, None]:
        request = self.reads.facts(self.position)
        page = yield from exchange(request, self.retry, self.now)
        for fact in page.items:
            if self._is_new(fact):
                yield fact
        if not self.finished and not page.items:
            yield Pause(min(_POLL_S, self._patience_s()))

    def _is_new(self, event: Event) -> bool:
        """Whether the caller has not seen it; moves the position."""
        if isinstance(event, Tick):
            return True
        here = Position.of(event)
        if here <= self.position:
            return False
        self.position = here
        self.finished = event.kind in TERMINAL and event.epoch >= self.epoch
        return True

    def _patience_s(self) -> float:
        if self.end is None:
            return _SILENCE_S
        left = self.end - self.now()
        if left <= 0:
            raise NotFinished(f"job {self.job_id} has not ended within {self.within_s:g} s")
        return min(left, _SILENCE_S)


#: What the server may send; other messages are for other uses of the socket.
_MESSAGES = msgspec.json.Decoder(Fact | Tick | SocketError | Pong | Snapshot | Authenticated)


def read(message: str | bytes) -> Event | None:
    """The fact or tick in a message of the socket or stream; None for any other.

    Raises:
        NetraError: the server says what is wrong.
    """
    try:
        event = _MESSAGES.decode(message)
    except msgspec.ValidationError:
        # A kind of message that this version does not know is not for it.
        return None
    if isinstance(event, SocketError):
        raise error_named(event.slug, event.detail)
    return event if isinstance(event, Fact | Tick) else None
