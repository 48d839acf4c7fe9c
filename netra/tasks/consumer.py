"""Celery's consumer, which tells those who watch a moment later.

Celery publishes that it received a task before it hands the task to a process, and waits for
Redis's answer: work first, news of it afterwards, and several in one message.
"""

from __future__ import annotations

from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer

#: News of tasks is gathered for so long, seconds.
_GATHER_S = 0.05


class Consumer(CeleryConsumer):
    """Named by the setting `worker_consumer`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._gathering = False
        super().__init__(*args, **options)

    def on_send_event_buffered(self) -> None:
        if self.hub and not self._gathering:
            self._gathering = True
            self.hub.call_later(_GATHER_S, self._tell)

    def _tell(self) -> None:
        self._gathering = False
        self._flush_events()
