"""Wake-ups are what Celery itself would have sent."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from msgspec.structs import replace

from netra.ids import new_id
from netra.settings import Settings
from netra.tasks.app import WAKE, configured, queue_name
from netra.tasks.dispatch import CeleryDispatch


@pytest.fixture
def app(store_settings: Settings) -> Iterator[Celery]:
    app = configured(store_settings)
    with app.connection_for_write() as connection:
        connection.default_channel.client.delete(queue_name("gpu"))
    yield app
    app.close()


@pytest.fixture
def dispatch(app: Celery, store_settings: Settings) -> Iterator[CeleryDispatch]:
    dispatch = CeleryDispatch(app, store_settings.redis)
    yield dispatch
    dispatch.close()


def taken(app: Celery, dispatch: CeleryDispatch | None = None) -> list[dict[str, Any]]:
    """What stands in the broker's list, the first first; the list is empty then."""
    if dispatch:
        dispatch._line.confirmed(within_s=5)
    with app.connection_for_write() as connection:
        client = connection.default_channel.client
        texts = [client.rpop(queue_name("gpu")) for _ in range(client.llen(queue_name("gpu")))]
    return [json.loads(text) for text in texts]


def test_a_wake_up_is_what_celery_sends(app: Celery, dispatch: CeleryDispatch) -> None:
    stages = [str(new_id()) for _ in range(3)]
    dispatch("gpu", [{"stage_id": stage, "admission": n} for n, stage in enumerate(stages)])
    own = taken(app, dispatch)
    for n, stage in enumerate(stages):
        app.send_task(WAKE, args=(stage, n), queue=queue_name("gpu"), ignore_result=True)
    celerys = taken(app)
    ids = [whole["properties"]["delivery_tag"] for whole in own]
    ids += [whole["headers"]["id"] for whole in own]
    assert len(set(ids)) == 6
    for whole in own:
        assert whole["headers"]["root_id"] == whole["headers"]["id"]
        assert whole["properties"]["correlation_id"] == whole["headers"]["id"]
    for whole in (*own, *celerys):
        whole["body"] = json.loads(b64decode(whole["body"]))
        for name in ("id", "root_id"):
            del whole["headers"][name]
        # Nobody waits for an answer.
        for name in ("correlation_id", "delivery_tag", "reply_to"):
            del whole["properties"][name]
    assert own == celerys


def test_as_many_are_renewed_as_are_missing(app: Celery, dispatch: CeleryDispatch) -> None:
    dispatch("gpu", [{"stage_id": str(new_id()), "admission": 1}])
    dispatch.renew("gpu", 3)
    dispatch.renew("gpu", 1)
    assert len(taken(app, dispatch)) == 3
    # Nothing was refused: a refusal would have been met by a pause.
    dispatch("gpu", [{"stage_id": str(new_id()), "admission": 2}])
    assert len(taken(app, dispatch)) == 1


def test_a_broker_that_is_away_is_left_alone_for_a_while(
    app: Celery, store_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = replace(store_settings.redis, url="redis://127.0.0.1:1/0")
    dispatch = CeleryDispatch(app, nowhere)
    for _ in range(3):
        dispatch("gpu", [{"stage_id": str(new_id()), "admission": 1}])
        dispatch.renew("gpu", 1)
    dispatch.close()
    assert [r.message.split(":")[0] for r in caplog.records] == ["wake-ups wait for Redis"]
