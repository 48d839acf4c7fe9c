"""What runs in a home now, as `netra status` shows it."""

from __future__ import annotations

import msgspec

from netra.embedded import given, identity, info, memory, runfile
from netra.embedded.home import Home
from netra.embedded.processes import ALL
from netra.settings import Settings


class ProcessStatus(msgspec.Struct, frozen=True, kw_only=True):
    pid: int | None
    #: As the supervisor sees it; `left over` if it outlived its supervisor.
    state: str
    restarts: int
    port: int | None
    #: Of the process and its descendants, proportional set size; null if it does not run.
    memory_bytes: int | None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    running: bool
    #: `starting`, `running`, `stopping` or `stopped`.
    state: str
    home: str
    api_url: str | None
    flower_url: str | None
    api_key_file: str
    #: The stores' addresses, without user and password.
    stores: dict[str, str]
    #: Stores that the settings name, and that are not started here.
    given: list[str]
    #: Everything that runs, the supervisor included.
    memory_bytes: int
    processes: dict[str, ProcessStatus]


def of(home: Home, settings: Settings) -> Status:
    """Looks at the home and its processes; needs no store and no API."""
    running = runfile.is_running(home)
    run = runfile.read(home)
    known = info.of_home(home, settings) if run.processes else None
    shown = {
        name: status
        for name in ALL
        if name in run.processes and (status := _process(run.processes[name], running))
    }
    supervisor = memory.own_bytes(run.supervisor) if running and run.supervisor else 0
    return Status(
        running=running,
        state=run.state if running else "stopped",
        home=str(home.path),
        api_url=known.api_url if known else None,
        flower_url=known.flower_url if known else None,
        api_key_file=str(home.api_key),
        stores=_stores(known) if known else {},
        given=run.given if running else [],
        memory_bytes=supervisor + sum(p.memory_bytes or 0 for p in shown.values()),
        processes=shown,
    )


def _process(p: runfile.Process, running: bool) -> ProcessStatus | None:
    lives = p.pid is not None and p.began is not None and identity.is_same(p.pid, p.began)
    if not running and not lives:
        return None
    return ProcessStatus(
        pid=p.pid if lives else None,
        state=p.state if running else "left over",
        restarts=p.restarts,
        port=p.port,
        memory_bytes=memory.tree_bytes(p.pid) if lives and p.pid else None,
    )


def _stores(known: info.StackInfo) -> dict[str, str]:
    urls = (known.database_url, known.redis_url, known.clickhouse_url)
    return dict(zip(given.VARIABLES, map(given.address, urls), strict=True))
