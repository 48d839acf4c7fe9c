"""The stack under faults: the embedded one, a second scheduler, ClickHouse on a disk of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from netra.embedded.home import Home
from netra.embedded.info import StackInfo
from netra.embedded.supervisor import running_stack
from netra.settings import Settings, load
from tests.conftest import settings_without_stores, temporary_home

_DISK_MB = 600


@dataclass
class Harness:
    info: StackInfo
    settings: Settings
    #: The folder of ClickHouse, if it lies on a small disk of its own that can be filled.
    disk: Path | None
    second: subprocess.Popen[bytes]
    _over: threading.Event = field(default_factory=threading.Event)

    def children(self, name: str) -> list[psutil.Process]:
        """The processes that run a worker's stages."""
        with contextlib.suppress(psutil.NoSuchProcess, KeyError):
            found = psutil.Process(self.info.pids[name]).children()
            return [p for p in found if "tracker" not in " ".join(p.cmdline())]
        return []

    def group(self, name: str, number: signal.Signals) -> None:
        """Signals a supervised process and all that it started."""
        with contextlib.suppress(ProcessLookupError, KeyError):
            os.killpg(self.info.pids[name], number)

    def keep_second(self) -> None:
        """Starts the second scheduler again whenever it has died."""
        while not self._over.wait(0.5):
            if self.second.poll() is not None:
                self.second = _scheduler(self.info)

    def close(self) -> None:
        self._over.set()
        self.second.send_signal(signal.SIGCONT)
        self.second.kill()
        self.second.wait()


@contextmanager
def harness() -> Iterator[Harness]:
    with (
        temporary_home() as folder,
        _small_disk(Home(folder).clickhouse) as disk,
        running_stack(folder, settings=settings_without_stores()) as info,
    ):
        settings = load({**os.environ, **info.environment})
        made = Harness(info=info, settings=settings, disk=disk, second=_scheduler(info))
        keeper = threading.Thread(target=made.keep_second, daemon=True)
        keeper.start()
        try:
            yield made
        finally:
            made.close()


def _scheduler(info: StackInfo) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "workers.scheduler"],
        env={**os.environ, **info.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    """Mounts a small disk where it is allowed; elsewhere ClickHouse's disk is not filled."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            for _ in range(20):
                if subprocess.run(["umount", str(folder)], capture_output=True).returncode == 0:
                    break
                time.sleep(0.5)
