"""The broker as wake-ups need it: what a worker has taken is gone.

Kombu keeps what was taken in a second place of Redis until it is acknowledged, with a transaction
before a task begins and another after it. A wake-up that is lost costs a moment: the row in
PostgreSQL is what counts, and the scheduler wakes again (ADR 0003).

What is told to those who watch is said over a line that does not wait, and lost if Redis is away.
Celery says so every two seconds that a worker lives, and does nothing else until Redis has heard
it: a worker whose broker hung replaced no process that died, and could not be told to go.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from celery.events.event import EVENT_EXCHANGE_NAME
from kombu.transport import redis
from kombu.utils.json import dumps

from netra import settings as settings_module
from netra.progress.line import Line
from netra.store import redis as store


class _QoS(redis.QoS):
    """Remembers nothing, so there is nothing to acknowledge or to restore."""

    restore_at_shutdown = False

    def append(self, message: Any, delivery_tag: str) -> None:
        return None

    def ack(self, delivery_tag: str) -> None:
        return None

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        return None

    def restore_visible(self, *args: Any, **options: Any) -> None:
        return None


class _Channel(redis.Channel):
    QoS = _QoS

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """One client for all messages; kombu makes one for each."""
        yield client or self._kept

    @cached_property
    def _kept(self) -> Any:
        return self._create_client()

    def _put_fanout(self, exchange: str, message: Any, routing_key: str, **kwargs: Any) -> None:
        if exchange != EVENT_EXCHANGE_NAME:
            super()._put_fanout(exchange, message, routing_key, **kwargs)
            return
        said = dumps(message)
        for topic in self._get_publish_topics(exchange, routing_key):
            self._line.say([("PUBLISH", topic, said)])

    @cached_property
    def _line(self) -> Line[None]:
        return Line(store.connect(settings_module.of_process().redis), "events of workers")

    def close(self) -> None:
        if line := self.__dict__.get("_line"):
            line.close()
        super().close()


class Transport(redis.Transport):
    """Named by the setting `broker_transport`."""

    Channel = _Channel
