"""Say, confirm, strike off: what every process does with the facts of its transactions."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from netra.errors import NetraError
from netra.progress.line import Line
from netra.progress.publish import commands, traced
from netra.progress.resp import Command
from netra.settings import Settings
from netra.store import redis
from netra.store.queue import FactMessage, Queue

log = logging.getLogger(__name__)

#: How long whoever leaves waits for Redis's answers, seconds.
_LAST_WORDS_S = 1.0


class Outbox:
    """Sends facts over a line to Redis; the scheduler sends what it could not.

    Nothing here waits for Redis, but for `close`. Several threads may use it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._redis = redis.connect(settings.redis)
        #: Each word is about rows of the outbox.
        self._line: Line[Sequence[int]] = Line(self._redis, "facts")
        self._lock = threading.Lock()
        #: Rows that Redis has confirmed, and that are not struck off.
        self._sent: dict[int, None] = {}

    def open(self) -> None:
        """Connects now, so that what is sent first need not wait for it; waits a moment itself."""
        self._line.open()

    def send(self, facts: Sequence[FactMessage]) -> bool:
        """Whether they are on their way. Never raises: what is lost is safe in PostgreSQL."""
        if not facts:
            return True
        began_ns = time.time_ns()
        rows = tuple({fact["outbox"]: None for fact in facts})
        if not self._line.say(commands(facts, self.settings.progress), rows):
            return False
        traced(facts, began_ns)
        return True

    def say(self, commands: Sequence[Command]) -> None:
        """Sends what is in no outbox, and may be lost."""
        self._line.say(commands, None)

    @property
    def sent(self) -> list[int]:
        """Rows of the outbox that were sent for certain, and not yet struck off."""
        with self._lock:
            self._take(0)
            return list(self._sent)

    @property
    def unanswered(self) -> bool:
        """Whether anything was said that Redis has not answered yet."""
        return self._line.unconfirmed > 0

    def struck(self, rows: Sequence[int]) -> None:
        """Forgets rows that a transaction took out of the outbox."""
        with self._lock:
            for row in rows:
                self._sent.pop(row, None)

    def settle(self, queue: Queue, *, at_least: int = 1, within_s: float = 0.0) -> bool:
        """Takes what was sent out of the outbox, if there is that much.

        Args:
            within_s: how long to wait for Redis to confirm what it was told, seconds.

        Returns:
            Whether nothing that was said waits for an answer.
        """
        rows: list[int] = []
        with self._lock:
            self._take(within_s)
            if len(self._sent) >= at_least:
                rows = list(self._sent)
                self._sent.clear()
        if rows:
            try:
                queue.sent(rows)
            except NetraError as e:
                log.warning("sent facts will be sent again: %s", e)
        return not self.unanswered

    def _take(self, within_s: float) -> None:
        for rows in self._line.confirmed(within_s):
            self._sent.update(dict.fromkeys(rows))

    def close(self, queue: Queue | None = None) -> None:
        """For good; what Redis confirms in the next moment is struck off."""
        if queue is not None:
            self.settle(queue, within_s=_LAST_WORDS_S)
        self._line.close()
        self._redis.close()
