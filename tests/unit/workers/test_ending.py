"""A worker that ends at once does, whatever it waits for."""

from __future__ import annotations

import subprocess
import sys

ENDING = """
import threading
from workers.pools import ended_within
with ended_within({within}):
    lock = threading.Lock()
    lock.acquire()
    {waits}
print("went on")
"""


def ended(within: float, waits: str) -> subprocess.CompletedProcess[str]:
    program = ENDING.format(within=within, waits=waits)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )


def test_a_lock_that_nobody_opens_does_not_keep_it() -> None:
    done = ended(0.2, "lock.acquire()")
    assert (done.returncode, done.stdout) == (1, "")


def test_one_that_ends_in_time_goes_on() -> None:
    done = ended(50, "pass")
    assert (done.returncode, done.stdout) == (0, "went on\n")
