"""Valkey is stopped: it takes connections and answers nothing. Workers look after themselves.

Until a worker notices (Celery asks its broker every ten seconds), and in the long form after it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil
import pytest
from celery import Celery
from celery.events import EventReceiver

from netra.client.api import Netra
from netra.embedded.home import Home
from netra.embedded.info import StackInfo
from netra.schemas.job import JobRequest
from tests.waiting import until

_NOOP = JobRequest(stages=({"name": "a", "agent": "noop"},))


@contextmanager
def hung(stack: StackInfo) -> Iterator[None]:
    pid = stack.pids["valkey"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def processes(worker: int) -> set[psutil.Process]:
    """Those that run a worker's stages."""
    found: set[psutil.Process] = set()
    for child in psutil.Process(worker).children():
        with suppress(psutil.NoSuchProcess):
            zombie = child.status() == psutil.STATUS_ZOMBIE
            if not zombie and "tracker" not in " ".join(child.cmdline()):
                found.add(child)
    return found


def a_job_succeeds(stack: StackInfo) -> None:
    with Netra(stack.api_url, stack.api_key) as netra:
        job = netra.jobs.submit(_NOOP)
        until(lambda: netra.jobs.get(job.id).state == "succeeded", within_s=30)


def wait(stack: StackInfo, worker: str, *, noticed: bool) -> None:
    """For two of the news that Celery tells of a worker; or until it has lost its broker."""
    log = Home(stack.home).log(worker)
    before = log.stat().st_size
    time.sleep(4)
    if noticed:
        until(lambda: b"Cannot connect to" in log.read_bytes()[before:], within_s=30)


@pytest.mark.stack
@pytest.mark.parametrize("noticed", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_processes_that_die_are_replaced_and_a_worker_can_be_told_to_go(
    stack: StackInfo, noticed: bool
) -> None:
    a_job_succeeds(stack)
    worker = stack.pids["worker-cpu"]
    before = processes(worker)
    with hung(stack):
        wait(stack, "worker-cpu", noticed=noticed)
        for process in before:
            process.kill()
        until(lambda: len(processes(worker) - before) == len(before), within_s=30)
        a_job_succeeds(stack)
        alive = processes(worker) - before
        gpu = psutil.Process(stack.pids["worker-gpu"])
        gpu.terminate()
        until(lambda: not gpu.is_running(), within_s=30)
    a_job_succeeds(stack)
    # Those that began meanwhile are good ones, and stay.
    time.sleep(1)
    assert alive <= processes(worker)
    assert stack.pids["worker-cpu"] == worker


@pytest.mark.stack
def test_those_who_watch_hear_of_workers_before_and_after(stack: StackInfo) -> None:
    with hung(stack):
        time.sleep(4)
    heard: set[tuple[str, str]] = set()
    done = {("worker-heartbeat", "cpu"), ("worker-heartbeat", "gpu")}

    def hear(event: dict[str, Any]) -> None:
        heard.add((event["type"], event["hostname"].partition("@")[0]))
        receiver.should_stop = done <= heard

    with Celery(broker=stack.redis_url).connection() as connection:
        receiver = EventReceiver(connection, handlers={"*": hear})
        # Each of them says so every two seconds.
        with suppress(TimeoutError):
            receiver.capture(limit=30, timeout=20, wakeup=False)
    assert done <= heard
