"""The stack under faults: the embedded one, and beside it a second scheduler and second workers.

ClickHouse's folder lies on a small disk of its own, and the second cpu worker lives by a clock
that can be set, both where the machine allows it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from netra.embedded.child import Child
from netra.embedded.component import Component
from netra.embedded.home import Home
from netra.embedded.info import StackInfo
from netra.embedded.supervisor import running_stack
from netra.settings import Settings, load
from tests.chaos import clock
from tests.conftest import settings_without_stores, temporary_home

_DISK_MB = 600
#: What the processes under test are set to: room for stages that sleep, and a limit to hit.
ENVIRONMENT = {
    "NETRA_WORKERS_CPU_CONCURRENCY": "3",
    "NETRA_WORKERS_GPU_CONCURRENCY": "3",
    "NETRA_WORKERS_STAGE_MEMORY_MB": "700",
}


@dataclass
class Harness:
    info: StackInfo
    settings: Settings
    #: The folder of ClickHouse, if it lies on a small disk of its own that can be filled.
    disk: Path | None
    #: The second cpu worker's clock, if it can be set.
    clock: clock.Clock | None
    #: Processes beside the stack's own, kept running here.
    beside: dict[str, Child] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _keeper: threading.Thread | None = None

    def pid(self, name: str) -> int | None:
        """The process that runs now under a name."""
        if name in self.beside:
            return self.beside[name].pid
        return self.info.pids.get(name)

    def send(self, name: str, number: signal.Signals) -> None:
        """Signals one process, if it runs."""
        if pid := self.pid(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def send_all(self, name: str, number: signal.Signals) -> None:
        """Signals a process and all below it; PostgreSQL's are in groups of their own."""
        if pid := self.pid(name):
            with contextlib.suppress(psutil.NoSuchProcess):
                parent = psutil.Process(pid)
                for process in (parent, *parent.children(recursive=True)):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.send_signal(number)

    def keep(self) -> None:
        """Starts the processes beside the stack, and again whenever one has died."""
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._keeper.start()

    def _keep(self) -> None:
        # The kernel ends a child when the thread that started it ends: all in one.
        for child in self.beside.values():
            child.start()
        while not self._over.wait(0.1):
            for child in self.beside.values():
                child.watch()
        for child in self.beside.values():
            child.signal(signal.SIGCONT)
            child.ask_to_stop()
        for child in self.beside.values():
            child.finish()

    def close(self) -> None:
        self._over.set()
        if self._keeper:
            self._keeper.join()


@contextmanager
def harness() -> Iterator[Harness]:
    """Everything on this machine, for the length of the block."""
    with (
        temporary_home() as folder,
        small_disk(Home(folder).clickhouse) as disk,
        environment(ENVIRONMENT),
        running_stack(folder, settings=settings_without_stores()) as info,
    ):
        own = clock.made(folder)
        made = Harness(info, load({**os.environ, **info.environment}), disk, own)
        made.beside = {
            "scheduler-2": process(info, "scheduler-2", "workers.scheduler"),
            "worker-cpu-2": process(
                info, "worker-cpu-2", "workers.cpu", own.environment if own else {}
            ),
            # A stage whose worker is gone runs elsewhere: of the gpu pool, too, there is another.
            "worker-gpu-2": process(info, "worker-gpu-2", "workers.gpu"),
        }
        made.keep()
        try:
            yield made
        finally:
            made.close()


def process(
    info: StackInfo,
    name: str,
    module: str,
    more: Mapping[str, str] | None = None,
    within: tuple[str, ...] = (),
) -> Child:
    """One of Netra's processes, not yet started; `within` is a command that runs the rest."""
    command = (*within, sys.executable, "-m", module)
    env = {**os.environ, **info.environment, **(more or {})}
    log = Home(info.home).log(name)
    return Child(Component(name=name, command=command, env=env), log, {})


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Sets variables that the processes started within the block inherit."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
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
