"""Celery's consumer, which tells those who watch a moment later, and never leaves its processes
alone.

Celery publishes that it received a task before it hands the task to a process: work first, news of
it afterwards, and several in one message. And while it tries to reach its broker, it replaces no
process that died; ours go on working meanwhile (`lookout`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer

#: News of tasks is gathered for so long, seconds.
_GATHER_S = 0.05


class Consumer(CeleryConsumer):
    """Named by the setting `worker_consumer`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._gathering = False
        super().__init__(*args, **options)

    def ensure_connected(self, conn: Any) -> Any:
        """The connection, once the broker can be reached."""
        ensure = conn.ensure_connection

        def tending(*args: Any, callback: Callable[[], None], **options: Any) -> Any:
            def between() -> None:
                callback()
                self._tend()

            return ensure(*args, callback=between, **options)

        conn.ensure_connection = tending
        try:
            return super().ensure_connected(conn)
        finally:
            del conn.ensure_connection

    def _tend(self) -> None:
        """Replaces processes that died. Called between tries while there is no broker."""
        within: Any = self.pool
        pool = within._pool
        # Before it knows the event loop the pool would lose track of those that it makes.
        if pool._registered_with_event_loop:
            before = set(pool._waiting_to_start)
            pool.maintain_pool()
            # New ones say that they are up, and nobody listens yet: no reason to kill them.
            pool._waiting_to_start &= before

    def on_send_event_buffered(self) -> None:
        if self.hub and not self._gathering:
            self._gathering = True
            self.hub.call_later(_GATHER_S, self._tell)

    def _tell(self) -> None:
        self._gathering = False
        self._flush_events()
