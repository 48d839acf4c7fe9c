"""What runs in a home, as its supervisor last wrote it; read by `status`, and after a crash."""

from __future__ import annotations

import time

import msgspec

from netra.embedded import identity, jsonfile, lock
from netra.embedded.home import Home


class Process(msgspec.Struct, frozen=True, kw_only=True):
    pid: int | None = None
    #: When it was started, as the system counts: tells it from a later process of the same pid.
    began: float | None = None
    state: str = "waiting"
    restarts: int = 0
    port: int | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    state: str = "stopped"
    #: What all children of this run carry in their environment.
    mark: str = ""
    supervisor: int | None = None
    api_url: str = ""
    flower_url: str = ""
    #: Stores that the settings name, and that are not started here.
    given: list[str] = []
    #: Where those are, without user and password.
    addresses: dict[str, str] = {}
    processes: dict[str, Process] = {}


def write(home: Home, run: Run) -> None:
    jsonfile.write(home.run, msgspec.to_builtins(run))


def read(home: Home) -> Run:
    """The last run; an empty one when there was none, or an older Netra wrote it."""
    try:
        return msgspec.convert(jsonfile.read(home.run), Run)
    except msgspec.ValidationError:
        return Run()


def is_running(home: Home) -> bool:
    """Whether a supervisor holds the home now."""
    return lock.holder(home.lock) is not None


def end_leftovers(home: Home, *, within_s: float = 3.0) -> list[int]:
    """Ends processes that outlived a killed supervisor, and returns their pids.

    To be called with the lock held. Recorded pids count only with the recorded start time; the
    mark in the environment finds what a dead child left behind.
    """
    run = read(home)
    recorded = {
        p.pid
        for p in run.processes.values()
        if p.pid is not None and p.began is not None and identity.is_same(p.pid, p.began)
    }
    left = recorded | (set(identity.marked(run.mark)) if run.mark else set())
    identity.end(left, within_s=within_s)
    if left and run.mark:
        _end_stragglers(run.mark)
    return sorted(left)


def _end_stragglers(mark: str) -> None:
    """Ends what the ending processes themselves started meanwhile."""
    for _ in range(5):
        again = list(identity.marked(mark))
        if not again:
            return
        identity.end(again, within_s=1.0)
        time.sleep(0.05)
