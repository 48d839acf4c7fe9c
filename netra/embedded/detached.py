"""Starts and stops a stack that belongs to no terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection

from netra.embedded import identity, lock, runfile
from netra.embedded.child import fresh_log
from netra.embedded.home import Home, prepare
from netra.embedded.processes import ALL
from netra.errors import NetraError

_LOOK_S = 0.05


def start(home: Home, *, only: Collection[str] = ALL, within_s: float = 120.0) -> runfile.Run:
    """Starts the stack in a process of its own, and returns when all of it is ready.

    Raises:
        NetraError: it does not start; the message says why.
    """
    prepare(home)
    path = home.log("supervisor")
    fresh_log(path)
    with path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "netra.embedded", "--home", str(home.path), "--only", *only],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NetraError(path.read_text(errors="replace").strip() or "the stack ended")
        run = runfile.read(home)
        if run.supervisor == process.pid and run.state == "running":
            # It is to outlive this process, which need not be told of its end.
            process.returncode = 0
            return run
        time.sleep(_LOOK_S)
    process.terminate()
    raise NetraError(f"the stack is not ready after {within_s:.0f} s; see {home.logs}")


def stop(home: Home, *, within_s: float = 60.0) -> bool:
    """Stops the stack that runs in `home`, and what a crashed one left; whether there was any.

    Raises:
        NetraError: it does not stop in time, or belongs to another user.
    """
    pid = lock.holder(home.lock)
    if pid is None:
        return _clean_up(home)
    began = identity.started(pid) or 0.0
    try:
        os.kill(pid, signal.SIGTERM)
    except PermissionError as e:
        raise NetraError(f"the stack's supervisor, process {pid}, is another user's") from e
    except ProcessLookupError:
        pass
    deadline = time.monotonic() + within_s
    # The lock is freed before the process has quite ended; to the caller both belong together.
    while lock.holder(home.lock) is not None or identity.is_same(pid, began):
        if time.monotonic() > deadline:
            raise NetraError(f"process {pid} has not stopped the stack after {within_s:.0f} s")
        time.sleep(_LOOK_S)
    return True


def _clean_up(home: Home) -> bool:
    if not home.path.is_dir():
        return False
    with contextlib.suppress(lock.AlreadyRunning), lock.held(home.lock):
        return bool(runfile.end_leftovers(home))
    return False
