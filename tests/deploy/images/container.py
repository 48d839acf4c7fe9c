"""An image's process, started as an engine would: its user, its environment, PID 1 of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.deploy.images import root as roots
from tests.deploy.images.build import Image


class Container:
    """Runs `command` (default: the image's) in the image's root; the network is this machine's.

    `mounts` are folders of this machine, by their place in the root; with `read_only` they and
    /dev are all that can be written to.
    """

    def __init__(
        self,
        image: Image,
        log: Path,
        environment: Mapping[str, str],
        command: Sequence[str] = (),
        *,
        mounts: Mapping[Path, str] | None = None,
        read_only: bool = False,
    ) -> None:
        self.image = image
        self.log = log
        # An engine sets the home of the user as /etc/passwd has it.
        self.environment = {**image.environment, "HOME": home_of(image), **environment}
        self.command = list(command) or image.command
        self.mounts = mounts or {}
        self.read_only = read_only
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                roots.entering(
                    self.image.root,
                    self.command,
                    user=self.image.user,
                    folder=self.image.folder,
                    mounts={**roots.name_mounts(), **self.mounts},
                    read_only=self.read_only,
                ),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        # What enters the namespaces forks before it runs anything in them.
        while self._process.poll() is None and not psutil.Process(self._process.pid).children():
            time.sleep(0.01)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        # With its PID 1 the whole namespace ends.
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    @property
    def first(self) -> psutil.Process:
        """PID 1 of the namespace, as this machine sees it."""
        assert self._process is not None
        (process,) = psutil.Process(self._process.pid).children()
        return process

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait(self, timeout_s: float) -> int:
        """Its exit code; minus a signal's number, if one ended it."""
        assert self._process is not None
        return self._process.wait(timeout=timeout_s)

    def stop(self, timeout_s: float) -> tuple[int, float]:
        """Asks it to go as an engine does; its exit code, and how long it took, seconds."""
        begun = time.monotonic()
        self.first.send_signal(signal.SIGTERM)
        return self.wait(timeout_s), time.monotonic() - begun

    def execute(self, command: Sequence[str], timeout_s: float) -> tuple[int, str]:
        """Runs a command beside the process, as its user; exit code and what it said."""
        uid, gid = self.image.user.split(":")
        enter = ["nsenter", "--target", str(self.first.pid), "--mount", "--pid", "--ipc", "--root"]
        enter += ["--wd", "--setgid", gid, "--setuid", uid, "--", *command]
        done = subprocess.run(
            enter, env=self.environment, capture_output=True, text=True, timeout=timeout_s
        )
        return done.returncode, done.stdout + done.stderr

    def healthy(self, check: Sequence[str] = ()) -> float | None:
        """How long the image's health check took to say that all is well; None if it did not."""
        limit_s = float(self.image.check_flags["timeout"].removesuffix("s"))
        begun = time.monotonic()
        # The limit is not enforced: on a busy machine only what the check says can be judged.
        code, _ = self.execute(check or self.image.check, 20 * limit_s)
        return time.monotonic() - begun if code == 0 else None

    def until_healthy(self, within_s: float, check: Sequence[str] = ()) -> float:
        """Waits for the health check; how long the one that succeeded took, seconds."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            assert self._process is not None
            assert self._process.poll() is None, f"{self.command} ended: {self.said()}"
            if (took := self.healthy(check)) is not None:
                return took
            time.sleep(0.2)
        raise AssertionError(f"{self.command} is not healthy: {self.said()}")


def home_of(image: Image) -> str:
    uid = image.user.split(":")[0]
    for line in (image.root / "etc/passwd").read_text().splitlines():
        fields = line.split(":")
        if fields[2] == uid:
            return fields[5]
    return os.sep
