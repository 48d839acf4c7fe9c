"""One supervised process: started, watched, started again when it dies, stopped."""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from netra.embedded import backoff, identity, launch
from netra.embedded.component import Component
from netra.errors import NetraError


class State(enum.StrEnum):
    WAITING = "waiting"  # not yet begun, or between a death and the next start
    STARTING = "starting"
    RUNNING = "running"
    DONE = "done"  # a one-shot that succeeded
    FAILED = "failed"  # a one-shot that did not
    STOPPED = "stopped"


@dataclass
class Child:
    """A component and the process that runs it. Used by one thread only: the supervisor's."""

    component: Component
    log: Path
    environment: Mapping[str, str]
    state: State = State.WAITING
    restarts: int = 0
    #: Deaths in a row, and when the next start is due (monotonic seconds).
    deaths: int = 0
    due: float = 0.0
    started: float = 0.0
    began: float | None = None
    #: How the last process ended: its exit code, or minus the signal that killed it.
    exit_code: int | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def start(self) -> None:
        """Starts the process.

        Raises:
            NetraError: it could not be prepared or started.
        """
        c = self.component
        c.prepare()
        account = c.account
        command = [
            *(sys.executable, "-I", "-S", launch.__file__),
            *(str(account.uid if account else -1), str(account.gid if account else -1)),
            *(str(int(c.stop_signal)), str(os.getpid())),
            *c.command,
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**self.environment, **c.env},
                cwd=self.log.parent.parent,
                start_new_session=True,
            )
        self.began = identity.started(self.process.pid)
        self.started = time.monotonic()
        self.state = State.STARTING

    def watch(self) -> bool:
        """Looks at the process, and moves the state on. Whether the state changed."""
        before = self.state
        if self.process is None:
            if self.state is State.WAITING and self.deaths and time.monotonic() >= self.due:
                self._start_again()
        elif (code := self.process.poll()) is not None:
            self._ended(code)
        elif self.state is State.STARTING and not self.component.one_shot:
            if self.component.ready():
                self.state = State.RUNNING
            elif time.monotonic() - self.started > self.component.ready_within_s:
                self.signal(signal.SIGKILL)
        return self.state is not before

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the process and all of its group."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def ask_to_stop(self) -> None:
        """Asks the process itself; its own children are its business, until they are late."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, self.component.stop_signal)

    def stopped(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def finish(self) -> None:
        """Waits out the time it has to stop, then kills what is left of its group."""
        if self.process is not None:
            deadline = time.monotonic() + self.component.stop_within_s
            while self.process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None
        if self.state not in (State.DONE, State.FAILED):
            self.state = State.STOPPED

    def last_lines(self, count: int = 12) -> str:
        """The end of its log."""
        try:
            with self.log.open("rb") as f:
                f.seek(max(0, self.log.stat().st_size - 16_384))
                lines = f.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-count:])

    def _start_again(self) -> None:
        self.restarts += 1
        try:
            self.start()
        except (NetraError, OSError) as e:
            with self.log.open("a") as log:
                log.write(f"it cannot be started: {e}\n")
            self._wait_longer()

    def _wait_longer(self) -> None:
        self.deaths += 1
        self.due = time.monotonic() + backoff.delay_s(self.deaths)
        self.state = State.WAITING

    def _ended(self, code: int) -> None:
        self.signal(signal.SIGKILL)  # a dead parent may leave children behind
        self.process = None
        self.exit_code = code
        if self.component.one_shot:
            self.state = State.DONE if code == 0 else State.FAILED
            return
        if time.monotonic() - self.started >= backoff.STABLE_S:
            self.deaths = 0
        self._wait_longer()


def fresh_log(path: Path) -> None:
    """Sets the log of the last run aside, so that there are two files at most."""
    with contextlib.suppress(FileNotFoundError):
        path.replace(path.with_suffix(".log.1"))
    try:
        path.touch()
    except OSError as e:
        raise NetraError(f"{path}: {e.strerror}") from e
