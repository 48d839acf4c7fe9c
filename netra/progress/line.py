"""A line to Redis that does not wait: what was said is confirmed before more is said.

A process that has claimed a stage has better things to do than to wait until Redis has read what
it was told of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

if TYPE_CHECKING:
    from redis import Redis

Command = Sequence[Any]


class Line:
    """One connection, taken from a client's pool when it is first used."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._connection: Any = None
        #: Answers to come.
        self._expected = 0

    def say(self, commands: Sequence[Command]) -> None:
        """Sends commands. Their answers are for `confirm` to read.

        Raises:
            RedisError, OSError: Redis is away; nothing said since the last `confirm` is certain.
        """
        try:
            if self._connection is None:
                self._connection = self.redis.connection_pool.get_connection()
            self._connection.send_packed_command(self._connection.pack_commands(commands))
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
                self._connection.read_response()
                self._expected -= 1
        except (RedisError, OSError):
            self.hang_up()
            raise

    def hang_up(self) -> None:
        """Closes the connection; answers that were to come never will."""
        connection, self._connection = self._connection, None
        self._expected = 0
        if connection is not None:
            connection.disconnect()
            self.redis.connection_pool.release(connection)
