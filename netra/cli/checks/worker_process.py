"""Whether the process that has a worker's number now is that worker.

A row of `workers` names a pid. After a crash, a reboot, or a restore beside an installation that
goes on running, the pid is another's, and nobody must be told to kill it.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import psutil

from netra.cli.checks.check import Subject
from netra.embedded import given
from netra.ids import made_at
from netra.store.operating import WorkerRow

#: `unknown`: it may not be looked at, or was not told by a variable which database is its own.
Whose = Literal["worker", "nobody", "other", "unknown"]

#: Clocks are set right now and then; a pid that comes round again takes far longer, seconds.
_CLOCK_S = 2.0
#: As a worker looks for its database: Netra's own name goes over the one that others know too.
_NAMED = ("NETRA_DATABASE_URL", given.VARIABLES["postgres"])
_PORT = 5432


def whose(row: WorkerRow, on: Subject) -> Whose:
    """Who has the row's pid, on this host.

    A worker makes its id when it starts: what was started after that is another process. And a
    worker of this installation was told the database that the row is in.
    """
    try:
        process = psutil.Process(row.pid)
        if process.status() in (psutil.STATUS_DEAD, psutil.STATUS_ZOMBIE):
            return "nobody"
        if process.create_time() > made_at(row.id) + _CLOCK_S:
            return "other"
        environment = process.environ()
    except psutil.NoSuchProcess:
        return "nobody"
    except (psutil.Error, OSError):
        return "unknown"
    told = next((environment[name] for name in _NAMED if environment.get(name)), "")
    if told and _database(told) == _database(on.settings.database.url):
        return "worker"
    # A stack's own database is used by its own processes, and by those that were pointed to it.
    another_stack = environment.get("NETRA_EMBEDDED_HOME", "") not in ("", str(on.home.path))
    return "other" if on.running and told and another_stack else "unknown"


def _database(url: str) -> tuple[str | None, int | str, str]:
    """What tells databases apart: host, port (or a socket's folder), name."""
    parts = urlsplit(url)
    return parts.hostname, parts.port or parts.query or _PORT, parts.path
