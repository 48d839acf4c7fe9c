"""Valkey is stopped: it takes connections and answers nothing. Workers look after themselves."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest

from netra.client.api import Netra
from netra.embedded.info import StackInfo
from netra.schemas.job import JobRequest

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
    return {
        child
        for child in psutil.Process(worker).children()
        if child.status() != psutil.STATUS_ZOMBIE and "tracker" not in " ".join(child.cmdline())
    }


def until(what: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.1)
    return False


def ended(stack: StackInfo) -> bool:
    with Netra(stack.api_url, stack.api_key) as netra:
        job = netra.jobs.submit(_NOOP)
        return until(lambda: netra.jobs.get(job.id).state == "succeeded")


@pytest.mark.stack
@pytest.mark.parametrize("pool", ["cpu", "gpu"])
@pytest.mark.parametrize("after_s", [3, 16], ids=["unnoticed", "noticed"])
def test_processes_that_die_are_replaced_meanwhile(
    stack: StackInfo, pool: str, after_s: int
) -> None:
    assert ended(stack)
    worker = stack.pids[f"worker-{pool}"]
    before = processes(worker)
    with hung(stack):
        # Celery looks whether its broker lives every ten seconds.
        time.sleep(after_s)
        for process in before:
            process.kill()
        assert until(lambda: len(processes(worker) - before) == len(before))
        assert ended(stack)
        alive = processes(worker) - before
    assert ended(stack)
    # Those that began meanwhile are good ones, and stay.
    time.sleep(1)
    assert alive <= processes(worker)
    assert stack.pids[f"worker-{pool}"] == worker


@pytest.mark.stack
@pytest.mark.parametrize("after_s", [3, 16], ids=["unnoticed", "noticed"])
def test_a_worker_can_be_told_to_go_meanwhile(stack: StackInfo, after_s: int) -> None:
    assert ended(stack)
    worker = psutil.Process(stack.pids["worker-cpu"])
    with hung(stack):
        time.sleep(after_s)
        worker.terminate()
        assert until(lambda: not worker.is_running())
        assert ended(stack)
