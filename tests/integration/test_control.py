"""Control of real workers: cancelled, told to go, killed by what they run."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from netra.client.api import Netra
from netra.embedded.info import StackInfo
from netra.schemas.job import Job, JobRequest
from netra.settings import load
from netra.store import postgres
from netra.tasks.app import configured, queue_name
from tests.waiting import until

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def netra(stack: StackInfo) -> Iterator[Netra]:
    with Netra(stack.api_url, stack.api_key) as netra:
        yield netra


def stage(netra: Netra, job: Job, name: str = "a") -> tuple[str, int, str | None]:
    """State, attempt and worker of a stage."""
    stages = netra.jobs.get(job.id).stages
    assert isinstance(stages, tuple)
    (found,) = [s for s in stages if s.name == name]
    return found.state, found.attempt, found.worker


def started(netra: Netra, **params: object) -> Job:
    job = netra.jobs.submit(JobRequest(stages=({"name": "a", "agent": "noop", "params": params},)))
    until(lambda: stage(netra, job)[0] == "running", "the stage runs")
    return job


def test_a_running_stage_that_listens_is_cancelled(netra: Netra) -> None:
    job = started(netra, sleep_s=100)
    netra.jobs.cancel(job.id)
    assert netra.jobs.wait(job.id, within_s=60).state == "cancelled"


def test_a_running_stage_that_does_not_listen_is_cancelled(netra: Netra) -> None:
    job = started(netra, hold_gil_s=100)
    netra.jobs.cancel(job.id)
    assert netra.jobs.wait(job.id, within_s=60).state == "cancelled"


def test_a_worker_that_is_told_to_go_hands_its_stage_to_another(
    stack: StackInfo, netra: Netra
) -> None:
    """The stage had saved its position, and goes on from there."""
    job = started(netra, steps=60, sleep_s=12)
    _, _, worker = stage(netra, job)
    until(lambda: _saved(stack, job) >= 5, "a position is saved")
    stack.kill("worker-cpu", signal.SIGTERM)
    done = netra.jobs.wait(job.id, within_s=90)
    assert done.state == "succeeded"
    state, attempt, other = stage(netra, job)
    assert (state, attempt) == ("succeeded", 2)
    assert other != worker
    assert netra.jobs.result(job.id, "a")["resumed_at"] >= 5
    kinds = [f for f in netra.jobs.facts(job.id).items if f.kind == "stage.retried"]
    assert [f.payload["reason"] for f in kinds] == ["handed back"]


def test_a_stage_that_kills_its_process_ends_among_the_dead_letters(netra: Netra) -> None:
    """Two processes are lost to it, and no more; the worker goes on with other work."""
    job = started(netra, dies=True, sleep_s=2.5)
    assert netra.jobs.wait(job.id, within_s=90).state == "failed"
    (letter,) = [x for x in netra.dead_letters.list() if x.job_id == job.id]
    assert letter.error is not None
    assert letter.error["type"] == "WorkerKilled"
    assert letter.attempts == 2
    after = netra.jobs.submit(JobRequest(stages=({"agent": "noop"},)))
    assert netra.jobs.wait(after.id, within_s=60).state == "succeeded"


def _saved(stack: StackInfo, job: Job) -> int:
    settings = load({"DATABASE_URL": stack.database_url})
    with postgres.connect(settings.database, "test") as connection:
        row = connection.execute(
            "SELECT checkpoint FROM stages WHERE job_id = %s", [job.id]
        ).fetchone()
    return int(row["checkpoint"] or 0) if row else 0


def test_a_worker_that_took_a_wake_up_leaves_nothing_in_redis(
    stack: StackInfo, netra: Netra
) -> None:
    """Kombu would keep it there until it is acknowledged, and give it out again some day."""
    job = started(netra, sleep_s=100)
    with redis.Redis.from_url(stack.redis_url) as client:
        assert client.exists("unacked", "unacked_index") == 0
        assert client.llen(queue_name("cpu")) == 0
    netra.jobs.cancel(job.id)
    assert netra.jobs.wait(job.id, within_s=60).state == "cancelled"


def test_who_watches_celery_is_told_of_a_wake_up(stack: StackInfo, netra: Netra) -> None:
    told: dict[str | None, list[str]] = {}

    def hear(event: dict[str, Any]) -> None:
        told.setdefault(event.get("uuid"), []).append(event["type"])

    celery = configured(load({**os.environ, **stack.environment}))
    with celery.connection_for_read() as connection:
        receiver = celery.events.Receiver(connection, handlers={"*": hear})
        listening = threading.Thread(target=receiver.capture, kwargs={"wakeup": False})
        listening.start()
        try:
            until(lambda: None in told, "the workers are heard")
            job = netra.jobs.submit(JobRequest(stages=({"agent": "noop"},)))
            whole = ["task-received", "task-started", "task-succeeded"]
            until(lambda: whole in told.values(), lambda: f"a wake-up is told whole: {told}")
        finally:
            receiver.should_stop = True
            listening.join(timeout=10)
    assert netra.jobs.wait(job.id, within_s=60).state == "succeeded"
