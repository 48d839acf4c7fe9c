"""Sends wake-ups to the workers' queues. Losing one costs seconds, never a stage."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from celery import Celery
from kombu import serialization

from netra.metrics import POOLS
from netra.progress.line import Line
from netra.settings import Redis
from netra.store import redis
from netra.tasks.app import WAKE, queue_name

#: Stands in an envelope where the number of an admission comes.
_ADMISSION = 7_046_029_254

#: Adds as many of the texts to a list as it lacks to hold so many.
_FILL = """
for i = redis.call('LLEN', KEYS[1]) + 1, #ARGV do redis.call('LPUSH', KEYS[1], ARGV[i]) end
return 0
"""


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
    """Puts wake-ups into the broker's lists, and waits for nothing."""

    def __init__(self, app: Celery, settings: Redis) -> None:
        self._redis = redis.connect(settings)
        self._line: Line[None] = Line(self._redis, "wake-ups")
        self._envelopes = {pool: Envelope(app, pool) for pool in POOLS}

    def __call__(self, pool: str, messages: Sequence[dict[str, Any]]) -> None:
        texts = [self._envelopes[pool].about(m["stage_id"], m["admission"]) for m in messages]
        # Idle workers look by themselves if it is away.
        self._line.say([("LPUSH", queue_name(pool), *texts)])

    def renew(self, pool: str, wanted: int) -> None:
        """Sends wake-ups that name no stage, where fewer wait in the queue than are wanted."""
        texts = [self._envelopes[pool].about("", 0) for _ in range(wanted)]
        self._line.say([("EVAL", _FILL, 1, queue_name(pool), *texts)])

    def close(self) -> None:
        self._line.close()
        self._redis.close()
