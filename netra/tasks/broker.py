"""The broker as wake-ups need it: what a worker has taken is gone.

Kombu keeps what was taken in a second place of Redis until it is acknowledged, with a transaction
before a task begins and another after it. A wake-up that is lost costs a moment: the row in
PostgreSQL is what counts, and the scheduler wakes again (ADR 0003).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from kombu.transport import redis


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


class Transport(redis.Transport):
    """Named by the setting `broker_transport`."""

    Channel = _Channel
