"""A file whose age says whether a process is alive: touched by it, read by its liveness probe.

A probe that asked the process over the broker would cost seconds of CPU each time, and would end
workers that are only busy. The file is touched whether or not the stores answer: restarting a
worker does not mend a database. It holds the pid of whoever beats, so that the file of an earlier
run is not taken for a process that hangs.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from netra.settings import Health

log = logging.getLogger(__name__)


def folder(settings: Health) -> Path:
    """Where the files lie; the system's temporary folder is shared, so the user's id is in it."""
    if settings.folder:
        return Path(settings.folder)
    return Path(tempfile.gettempdir()) / f"netra-health-{os.getuid()}"


class Heartbeat:
    """One process's file."""

    def __init__(self, settings: Health, name: str) -> None:
        """
        Args:
            name: `worker-cpu`, `worker-gpu` or `scheduler`.
        """
        self.path = folder(settings) / name
        self._written = False

    def beat(self) -> None:
        """Touches the file. One that cannot be written must not keep the process from its work."""
        try:
            if not (self._written and self.path.exists()):
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.path.write_text(str(os.getpid()))
                self._written = True
            self.path.touch()
        except OSError as e:
            log.warning("no heartbeat for the liveness probe: %s", e)


@dataclass(frozen=True, kw_only=True)
class Beat:
    """What the file of a process says."""

    path: Path
    #: Since it was last touched, seconds.
    age_s: float
    #: Whoever wrote it; None: an earlier version of Netra, or half a line.
    pid: int | None

    @property
    def ended(self) -> bool:
        """Whether the process that wrote it is known to have ended."""
        return self.pid is not None and not lives(self.pid)


def lives(pid: int) -> bool:
    """Whether there is a process of this number, whosoever."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


def beats(where: Path, name: str) -> list[Beat]:
    """The files of the processes called `name` or `name-…`, by name."""
    now = time.time()
    found = sorted(p for p in where.glob(f"{name}*") if _is_called(p.name, name))
    return [Beat(path=p, age_s=now - p.stat().st_mtime, pid=_pid(p)) for p in found]


def _pid(path: Path) -> int | None:
    try:
        return int(path.read_text()) or None
    except (OSError, ValueError):
        return None


def _is_called(file: str, name: str) -> bool:
    return file == name or file.startswith(f"{name}-")
