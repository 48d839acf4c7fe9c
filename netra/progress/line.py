"""A line to Redis that never waits: what is said is confirmed when the answers come by themselves.

A process that has claimed a stage has better things to do than to wait until Redis has read what
it was told of it, and one that takes back what the dead held must not hang because Redis does. And
a dozen commands are said with each stage, of whose answers only one thing counts, that none is a
refusal: they are packed and counted here, in a tenth of the time that a client takes to make and
read them one by one.
"""

from __future__ import annotations

import logging
import select
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from netra.progress.resp import Answers, Command, Refusal, packed
from netra.store.pause import Pause

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)

T = TypeVar("T")

_READ_BYTES = 65_536
#: A server that leaves something unanswered for so long is away, seconds.
_PATIENCE_S = 2.0
#: The first connection of a process is waited for so long, seconds.
_FIRST_S = 0.2
#: So much waits to be read by the server at most, bytes.
_MOST_BYTES = 16_000_000
#: What a socket says that has nothing to give or to take just now.
_LATER = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Line(Generic[T]):
    """One connection of its own, made as the client's are, for several threads.

    A thread opens it when it is first used. One that broke is left alone for a while, then opened
    again, so that nobody waits for a server that hangs.
    """

    def __init__(
        self, redis: Redis, carries: str, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            carries: what the log calls what is said here.
        """
        self.redis = redis
        self.carries = carries
        self._now = now
        self._lock = threading.Lock()
        self._connection: Any = None
        self._opening: _Opening | None = None
        self._used = False
        self._closed = False
        self._pause = Pause(now)
        self._answers = Answers()
        #: What the socket has not taken yet.
        self._unsent = bytearray()
        #: What was said and not yet answered: how many answers it awaits, what it is about.
        self._said: deque[tuple[int, T | None]] = deque()
        #: Since when the server owes the next answer.
        self._since = 0.0
        #: Answers that came of the first of them.
        self._heard = 0
        #: What was confirmed since it was last asked for.
        self._confirmed: list[T] = []

    def open(self) -> bool:
        """Connects, unless it is connected; whether it is now. The first time it waits a moment."""
        with self._lock:
            return self._open()

    def say(self, commands: Sequence[Command], about: T | None = None) -> bool:
        """Sends one command or more; `confirmed` gives `about` back once all of them are answered,
        if it is anything.

        False: Redis is away, and nothing was sent. What was said before and is not confirmed may
        or may not have arrived; it is never confirmed then.
        """
        with self._lock:
            # What a socket did not take goes first.
            if not (self._open() and (not self._unsent or self._move())):
                return False
            if not self._said:
                self._since = self._now()
            self._said.append((len(commands), about))
            self._unsent += packed(commands)
            return self._move()

    def confirmed(self, within_s: float = 0.0) -> list[T]:
        """What was said, in this order, and is certain to have arrived, since the last call.

        Args:
            within_s: how long to wait for what is still unanswered, seconds.
        """
        end = self._now() + within_s
        with self._lock:
            while self._move() and self._said:
                left = end - self._now()
                if left <= 0:
                    break
                poll = select.poll()
                write = select.POLLOUT if self._unsent else 0
                poll.register(self._connection._sock, select.POLLIN | write)
                poll.poll(left * 1000)
            confirmed, self._confirmed = self._confirmed, []
            return confirmed

    @property
    def unconfirmed(self) -> int:
        """How often something was said that is not answered yet."""
        return len(self._said)

    def close(self) -> None:
        """For good; answers that were to come never will."""
        with self._lock:
            self._closed = True
            self._hang_up()
            if self._opening is not None:
                self._opening.discard()
                self._opening = None

    def _move(self) -> bool:
        """Sends and reads what can be, without waiting; False: there is no connection any more."""
        if self._connection is None:
            return False
        sock = self._connection._sock
        try:
            if self._unsent:
                try:
                    del self._unsent[: sock.send(self._unsent)]
                    if self._unsent:
                        self._since = self._now()
                except _LATER:
                    pass
            while self._said:
                try:
                    read = sock.recv(_READ_BYTES)
                except _LATER:
                    break
                if not read:
                    raise RedisConnectionError("the server closed the connection")
                self._since = self._now()
                self._count(self._answers.count(read))
            if self._said and self._now() - self._since > _PATIENCE_S:
                raise RedisConnectionError(f"no answer for {_PATIENCE_S:.0f} s")
            if len(self._unsent) > _MOST_BYTES:
                raise RedisConnectionError(f"{len(self._unsent)} bytes wait to be read")
        except (RedisError, Refusal, OSError) as e:
            self._lost(e)
            return False
        return True

    def _count(self, answers: int) -> None:
        self._heard += answers
        while self._said and self._heard >= self._said[0][0]:
            expected, about = self._said.popleft()
            self._heard -= expected
            if about is not None:
                self._confirmed.append(about)

    def _open(self) -> bool:
        """Whether there is a connection. The first one is waited for, for a moment."""
        if self._connection is not None:
            return True
        if self._closed or self._pause.on:
            return False
        if self._opening is None:
            self._opening = _Opening(self._connect)
        made = self._opening.made(0.0 if self._used else _FIRST_S)
        self._used = True
        if made is None:
            return False
        self._opening = None
        if isinstance(made, Exception):
            self._lost(made)
            return False
        self._connection = made
        return True

    def _connect(self) -> Any:
        pool = self.redis.connection_pool
        # With RESP2 nothing comes unasked, and redis-py then refuses to watch for what does.
        options = {**pool.connection_kwargs, "protocol": 2, "maint_notifications_config": None}
        connection: Any = pool.connection_class(**options)
        try:
            connection.connect()
            connection._sock.setblocking(False)
        except BaseException:
            connection.disconnect()
            raise
        return connection

    def _lost(self, error: Exception) -> None:
        log.warning("%s wait for Redis: %s", self.carries, error)
        self._pause.begin()
        self._hang_up()

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        self._said.clear()
        self._unsent.clear()
        self._heard = 0
        self._answers = Answers()
        if connection is not None:
            connection.disconnect()


class _Opening:
    """A connection that a thread makes."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._future: Future[Any] = Future()
        try:
            threading.Thread(target=self._run, name="line", daemon=True).start()
        except RuntimeError as e:
            # The system gives no thread.
            self._future.set_exception(e)

    def _run(self) -> None:
        try:
            self._future.set_result(self._connect())
        except Exception as e:
            self._future.set_exception(e)

    def made(self, within_s: float) -> Any:
        """The connection, or what went wrong; None: not yet."""
        if not wait([self._future], within_s).done:
            return None
        return self._future.exception() or self._future.result()

    def discard(self) -> None:
        """Closes what was made, or will be."""
        self._future.add_done_callback(_close)


def _close(made: Future[Any]) -> None:
    if made.exception() is None:
        made.result().disconnect()
