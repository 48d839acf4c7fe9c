"""Sends wake-ups to the workers' queues. Losing one costs seconds, never a stage."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from celery import Celery
from kombu import serialization
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from netra.metrics import POOLS
from netra.store.pause import Pause
from netra.tasks.app import WAKE, queue_name

log = logging.getLogger(__name__)

#: Stands in an envelope where the number of an admission comes.
_ADMISSION = 7_046_029_254

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
#: What a broker that is away is met with.
_AWAY = (OperationalError, OSError, RedisError)


class Envelope:
    """A wake-up of a pool as it stands in the broker's list.

    Celery and kombu write one; what differs from wake-up to wake-up is then put into its text. They
    take twice as long for a message as Redis does, and a worker waits for it.
    """

    def __init__(self, app: Celery, pool: str) -> None:
        amqp: Any = app.amqp
        self._task, self._tag, self._stage = (str(uuid4()) for _ in range(3))
        message = amqp.create_task_message(
            self._task, WAKE, (self._stage, _ADMISSION), {}, ignore_result=True
        )
        content_type, encoding, body = serialization.dumps(message.body, "json")
        self._body = str(body)
        self._packed = _packed(self._body)
        # As kombu's virtual transports write a message (kombu/transport/virtual/base.py).
        self._text = json.dumps(
            {
                "body": self._packed,
                "content-encoding": encoding,
                "content-type": content_type,
                "headers": message.headers,
                "properties": {
                    **message.properties,
                    "delivery_mode": 2,
                    "delivery_info": {"exchange": "", "routing_key": queue_name(pool)},
                    "priority": 0,
                    "body_encoding": "base64",
                    "delivery_tag": self._tag,
                },
            }
        )

    def about(self, stage_id: str, admission: int) -> str:
        """The text of a wake-up for a stage, under ids of its own."""
        body = self._body.replace(self._stage, stage_id).replace(str(_ADMISSION), str(admission))
        return (
            self._text.replace(self._packed, _packed(body))
            .replace(self._task, str(uuid4()))
            .replace(self._tag, str(uuid4()))
            .replace(self._stage, stage_id)
            .replace(str(_ADMISSION), str(admission))
        )


def _packed(body: str) -> str:
    return b64encode(body.encode()).decode()


class CeleryDispatch:
    """Publishes over one connection that is kept, and opened again after a failure."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._connection: Any = None
        self._envelopes = {pool: Envelope(app, pool) for pool in POOLS}
        self._pause = Pause()

    def __call__(self, pool: str, messages: Sequence[dict[str, Any]]) -> None:
        if self._pause.on or not messages:
            return  # idle workers look by themselves
        try:
            texts = [self._envelopes[pool].about(m["stage_id"], m["admission"]) for m in messages]
            self._channel().client.lpush(queue_name(pool), *texts)
        except _AWAY as e:
            log.warning(
                "%d wake-ups for %s lost, they will be repeated: %s", len(messages), pool, e
            )
            self._leave_alone()

    def renew(self, pool: str, wanted: int) -> None:
        """Sends wake-ups that name no stage, where fewer wait in the queue than are wanted."""
        if self._pause.on:
            return
        try:
            waiting = self._channel().client.llen(queue_name(pool))
        except _AWAY as e:
            log.warning("no wake-ups for %s: %s", pool, e)
            self._leave_alone()
            return
        self(pool, [{"stage_id": "", "admission": 0}] * (wanted - waiting))

    def _leave_alone(self) -> None:
        self._pause.begin()
        self._close()

    def _channel(self) -> Any:
        if self._connection is None:
            self._connection = self.app.connection_for_write(transport_options=_IMPATIENT)
        return self._connection.default_channel

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.release()
            except Exception as e:
                log.debug("closing the broker connection: %s", e)
