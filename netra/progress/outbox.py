"""Publish, then mark as published: what every process does with the facts of its transactions."""

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

    def send(self, queue: Queue, facts: Sequence[FactMessage]) -> bool:
        """Never raises for a store that is away: the facts are safe in PostgreSQL."""
        if not facts:
            return True
        if self._pause.on:
            return False
        if not publish(self.redis, facts, self.settings.progress):
            self._pause.begin()
            return False
        try:
            queue.mark_published(facts)
        except NetraError as e:
            log.warning("sent facts will be sent again: %s", e)
        return True

    def close(self) -> None:
        self.redis.close()
