"""Publish, then strike off: what every process does with the facts of its transactions."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from netra.errors import NetraError
from netra.progress.publish import publish
from netra.settings import Settings
from netra.store import redis
from netra.store.pause import Pause
from netra.store.queue import FactMessage, Queue

log = logging.getLogger(__name__)


class Outbox:
    """Sends facts over this process's Redis client; the scheduler sends what it could not."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.redis = redis.connect(settings.redis)
        self._pause = Pause()
        self._sent: dict[int, None] = {}

    def send(self, facts: Sequence[FactMessage]) -> bool:
        """Whether they went out. Never raises: what did not is safe in PostgreSQL."""
        if not facts:
            return True
        if self._pause.on:
            return False
        if not publish(self.redis, facts, self.settings.progress):
            self._pause.begin()
            return False
        self._sent.update((fact["outbox"], None) for fact in facts)
        return True

    @property
    def sent(self) -> list[int]:
        """Rows of the outbox that were sent, and not yet struck off."""
        return list(self._sent)

    def struck(self, rows: Sequence[int]) -> None:
        """Forgets rows that a transaction took out of the outbox."""
        for row in rows:
            self._sent.pop(row, None)

    def settle(self, queue: Queue, *, at_least: int = 1) -> None:
        """Takes what was sent out of the outbox, if there is that much."""
        if len(rows := self.sent) < at_least:
            return
        try:
            queue.sent(rows)
        except NetraError as e:
            log.warning("sent facts will be sent again: %s", e)
        self._sent.clear()

    def close(self) -> None:
        self.redis.close()
