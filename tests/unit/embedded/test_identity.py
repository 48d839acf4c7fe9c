from __future__ import annotations

import signal
import subprocess
import sys

from netra.embedded import identity

SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]


def sleeper(**environment: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(SLEEP, env=environment, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    return process


def test_a_process_is_itself_until_it_ends() -> None:
    process = sleeper()
    began = identity.started(process.pid)
    assert began is not None
    assert identity.is_same(process.pid, began)
    assert not identity.is_same(process.pid, began - 60), "an earlier process had this pid"
    process.kill()
    process.wait()
    assert not identity.is_same(process.pid, began)


def test_marked_finds_those_with_the_mark_only() -> None:
    ours, theirs = sleeper(NETRA_STACK="ours"), sleeper(NETRA_STACK="theirs")
    try:
        assert list(identity.marked("ours")) == [ours.pid]
    finally:
        for process in (ours, theirs):
            process.kill()
            process.wait()


def test_end_kills_what_does_not_listen() -> None:
    deaf = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); "
            "time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
    )
    assert deaf.stdout
    deaf.stdout.readline()
    deaf.stdout.close()
    willing = sleeper()
    identity.end([deaf.pid, willing.pid, 2**22 + 1], within_s=1)
    assert willing.wait(30) == -signal.SIGTERM
    assert deaf.wait(30) == -signal.SIGKILL
