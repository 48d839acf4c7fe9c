"""Processes told apart for certain: a pid alone is soon somebody else's."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator

import psutil

#: Every child of a stack carries the stack's own name in this variable.
MARK = "NETRA_STACK"


def started(pid: int) -> float | None:
    """When the process was started, as the system counts; None if there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def is_same(pid: int, began: float) -> bool:
    """Whether the process that was started at `began` still runs as `pid`."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - began) < 1.0 and not _is_zombie(process)
    except psutil.NoSuchProcess:
        return False


def marked(mark: str) -> Iterator[int]:
    """Pids of all processes, but this one, whose environment carries `mark`."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                yield process.pid


def end(pids: Iterable[int], *, within_s: float) -> None:
    """Asks the processes to stop, and kills those that have not after `within_s` seconds."""
    living: list[psutil.Process] = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            living.append(psutil.Process(pid))
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in living:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        deadline = time.monotonic() + within_s
        while living and time.monotonic() < deadline:
            living = [p for p in living if p.is_running() and not _is_zombie(p)]
            time.sleep(0.02)


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
