"""A line to Redis that does not wait: what was said is confirmed before more is said.

A process that has claimed a stage has better things to do than to wait until Redis has read what
it was told of it. And it says a dozen commands with each stage, of whose answers it wants to know
only that none is a refusal: they are packed and counted here, in a tenth of the time that a
client takes to make and read them one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

if TYPE_CHECKING:
    from redis import Redis

Command = Sequence[str | bytes | int]

_READ_BYTES = 65_536


class Line:
    """One connection of its own, made as the client's are, and opened when it is first used."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._connection: Any = None
        self._answers = Answers()
        #: Answers to come.
        self._expected = 0

    def say(self, commands: Sequence[Command]) -> None:
        """Sends commands. Their answers are for `confirm` to read.

        Raises:
            RedisError, OSError: Redis is away; nothing said since the last `confirm` is certain.
        """
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.send_packed_command((packed(commands),), check_health=False)
            self._expected += len(commands)
        except (RedisError, OSError):
            self.hang_up()
            raise

    def confirm(self) -> None:
        """Reads the answers to all that was said.

        Raises:
            RedisError, OSError: Redis is away, or refused a command.
        """
        try:
            while self._expected:
                read = self._connection._sock.recv(_READ_BYTES)
                if not read:
                    raise RedisConnectionError("the server closed the connection")
                self._expected -= self._answers.count(read)
        except (RedisError, OSError):
            self.hang_up()
            raise

    def hang_up(self) -> None:
        """Closes the connection; answers that were to come never will."""
        connection, self._connection = self._connection, None
        self._expected = 0
        self._answers = Answers()
        if connection is not None:
            connection.disconnect()

    def _connect(self) -> Any:
        pool = self.redis.connection_pool
        # With RESP2 nothing comes unasked, and redis-py then refuses to watch for what does.
        options = {**pool.connection_kwargs, "protocol": 2, "maint_notifications_config": None}
        connection = pool.connection_class(**options)
        connection.connect()
        return connection


class Answers:
    """Counts answers in what is read of a RESP2 connection: numbers, words, strings of one line.

    These are all that PUBLISH, XADD and EXPIRE are answered with.
    """

    def __init__(self) -> None:
        #: The beginning of a line that is not whole yet.
        self._rest = b""
        #: Whether the next line is a string whose length was read.
        self._string = False

    def count(self, read: bytes) -> int:
        """How many answers end in what was read.

        Raises:
            ResponseError: one of them is a refusal.
        """
        *lines, self._rest = (self._rest + read).split(b"\r\n")
        n = 0
        for line in lines:
            if self._string:
                self._string = False
            elif line.startswith(b"-"):
                raise ResponseError(line[1:].decode(errors="replace"))
            elif line.startswith(b"$") and line != b"$-1":
                self._string = True
                continue
            n += 1
        return n


def packed(commands: Sequence[Command]) -> bytes:
    """Commands as Redis is sent them."""
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for word in command:
            raw = word if isinstance(word, bytes) else str(word).encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)
