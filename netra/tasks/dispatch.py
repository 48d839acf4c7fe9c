"""Sends wake-ups to the workers' queues. Losing one costs seconds, never a stage."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from netra.store.pause import Pause
from netra.tasks.app import WAKE, queue_name

log = logging.getLogger(__name__)

#: Whoever sends also takes back what dead workers held: a broker that is down or hangs must not
#: keep it. (By default kombu tries for ten seconds to connect.)
_IMPATIENT = {
    "socket_timeout": 1.0,
    "socket_connect_timeout": 1.0,
    "max_retries": 1,
    "interval_start": 0.1,
    "interval_step": 0.1,
    "interval_max": 0.1,
}


class CeleryDispatch:
    """Publishes over one connection that is kept, and opened again after a failure."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._producer: Any = None
        self._pause = Pause()

    def __call__(self, pool: str, messages: Sequence[dict[str, Any]]) -> None:
        if self._pause.on:
            return  # idle workers look by themselves
        try:
            producer = self._open()
            for message in messages:
                self.app.send_task(
                    WAKE,
                    args=(message["stage_id"], message["admission"]),
                    queue=queue_name(pool),
                    producer=producer,
                    retry=False,
                    ignore_result=True,
                )
        except (OperationalError, OSError, ConnectionError) as e:
            log.warning(
                "%d wake-ups for %s lost, they will be repeated: %s", len(messages), pool, e
            )
            self._leave_alone()

    def renew(self, pool: str, wanted: int) -> None:
        """Sends wake-ups that name no stage, where fewer wait in the queue than are wanted."""
        if self._pause.on:
            return
        try:
            channel = self._open().channel
            waiting = channel.client.llen(queue_name(pool))
        except (OperationalError, OSError, ConnectionError, RedisError) as e:
            log.warning("no wake-ups for %s: %s", pool, e)
            self._leave_alone()
            return
        self(pool, [{"stage_id": "", "admission": 0}] * (wanted - waiting))

    def _leave_alone(self) -> None:
        self._pause.begin()
        self._close()

    def _open(self) -> Any:
        if self._producer is None:
            connection = self.app.connection_for_write(transport_options=_IMPATIENT)
            self._producer = self.app.amqp.Producer(connection)
        return self._producer

    def _close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                producer.connection.release()
            except Exception as e:
                log.debug("closing the broker connection: %s", e)
