"""What runs stages, held while something else is measured; and waiting."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from netra.embedded.info import StackInfo

#: Each is the leader of a process group.
RUNNERS = ("scheduler", "worker-cpu", "worker-gpu", "flower")


@contextmanager
def held(info: StackInfo, *others: int) -> Iterator[None]:
    """Stops what runs stages, and `others` (process groups), for the length of the block."""
    groups = [*(info.pids[name] for name in RUNNERS), *others]
    for group in groups:
        os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        for group in groups:
            os.killpg(group, signal.SIGCONT)


def until(true: Callable[[], object], patience_s: float = 120) -> float:
    """Seconds until it is true.

    Raises:
        RuntimeError: it has not become true in time.
    """
    began = time.perf_counter()
    while not true():
        if time.perf_counter() - began > patience_s:
            raise RuntimeError(f"not within {patience_s:g} s")
        time.sleep(0.02)
    return time.perf_counter() - began
