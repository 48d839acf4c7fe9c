"""Say, confirm, strike off: what every process does with the facts of its transactions."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from redis.exceptions import RedisError

from netra.errors import NetraError
from netra.progress.line import Line
from netra.progress.publish import commands, traced
from netra.settings import Settings
from netra.store import redis
from netra.store.pause import Pause
from netra.store.queue import FactMessage, Queue

log = logging.getLogger(__name__)


class Outbox:
    """Sends facts over a line to Redis; the scheduler sends what it could not."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.redis = redis.connect(settings.redis)
        self._line = Line(self.redis)
        self._pause = Pause()
        #: Rows of the outbox that were said, and those that Redis has confirmed.
        self._said: dict[int, None] = {}
        self._sent: dict[int, None] = {}

    def send(self, facts: Sequence[FactMessage]) -> bool:
        """Whether they are on their way. Never raises: what is lost is safe in PostgreSQL."""
        if not facts:
            return True
        if not self._confirm():
            return False
        began_ns = time.time_ns()
        try:
            self._line.say(commands(facts, self.settings.progress))
        except (RedisError, OSError) as e:
            self._lost(e)
            return False
        self._said.update((fact["outbox"], None) for fact in facts)
        traced(facts, began_ns)
        return True

    def _confirm(self) -> bool:
        """Whether all that was said has arrived."""
        if self._pause.on:
            return False
        try:
            self._line.confirm()
        except (RedisError, OSError) as e:
            self._lost(e)
            return False
        self._sent.update(self._said)
        self._said.clear()
        return True

    def _lost(self, error: Exception) -> None:
        log.warning("facts wait for Redis: %s", error)
        self._said.clear()
        self._pause.begin()

    @property
    def sent(self) -> list[int]:
        """Rows of the outbox that were sent for certain, and not yet struck off."""
        return list(self._sent)

    def struck(self, rows: Sequence[int]) -> None:
        """Forgets rows that a transaction took out of the outbox."""
        for row in rows:
            self._sent.pop(row, None)

    def settle(self, queue: Queue, *, at_least: int = 1) -> bool:
        """Takes what was sent out of the outbox, if there is that much; False: Redis is away."""
        if len(self._said) + len(self._sent) < at_least:
            return True
        arrived = self._confirm()
        if rows := self.sent:
            try:
                queue.sent(rows)
            except NetraError as e:
                log.warning("sent facts will be sent again: %s", e)
            self._sent.clear()
        return arrived

    def close(self) -> None:
        self._line.hang_up()
        self.redis.close()
