"""The stack that a demo runs on: one that runs already, or its own for as long as it lasts."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from netra import settings
from netra.embedded import home as homes
from netra.embedded import info, runfile
from netra.embedded.child import Child, State
from netra.embedded.home import Home
from netra.embedded.info import StackInfo
from netra.embedded.supervisor import Stack

#: Told which processes are not ready yet.
Waiting = Callable[[list[str]], None]


def demo_home(named: str | None) -> Home:
    """The folder of the demo's own stack: beside nothing that a user has in theirs."""
    usual = homes.choose(None, settings.current().embedded.home)
    return homes.choose(named) if named else Home(usual.path / "demo")


def running(named: str | None) -> StackInfo | None:
    """A stack that runs already: the one that is named, else the user's, else the demo's."""
    usual = homes.choose(named, settings.current().embedded.home)
    for home in (usual, demo_home(named)):
        if runfile.is_running(home) and runfile.read(home).state == "running":
            return info.of_home(home, settings.current())
    return None


@contextmanager
def started(home: Home, waiting: Waiting) -> Iterator[StackInfo]:
    """Starts a stack for the length of the block, and stops it whatever happens."""
    stack = Stack(home, notice=_notice(waiting))
    try:
        yield stack.start()
    finally:
        with _undisturbed():
            stack.stop()


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Within the block, being told to end, or losing the terminal, is as Ctrl-C."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C, of an impatient user, does not keep the stack from stopping."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _notice(waiting: Waiting) -> Callable[[Child], None]:
    states: dict[str, State] = {}

    def changed(child: Child) -> None:
        states[child.component.name] = child.state
        waiting([name for name, s in states.items() if s not in (State.RUNNING, State.DONE)])

    return changed


def reports_folder(home: Path) -> Path:
    folder = home / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
