"""A file whose age says whether a process is alive: touched by it, read by its liveness probe.

A probe that asked the process over the broker would cost seconds of CPU each time, and would end
workers that are only busy. The file is touched whether or not the stores answer: restarting a
worker does not mend a database.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
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

    def beat(self) -> None:
        """Touches the file. One that cannot be written must not keep the process from its work."""
        try:
            if not self.path.exists():
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch()
        except OSError as e:
            log.warning("no heartbeat for the liveness probe: %s", e)


def ages_s(settings: Health, name: str) -> dict[str, float]:
    """Seconds since the last beat of each process called `name` or `name-…`, by its name."""
    now = time.time()
    files = [p for p in folder(settings).glob(f"{name}*") if _is_called(p.name, name)]
    return {path.name: now - path.stat().st_mtime for path in sorted(files)}


def _is_called(file: str, name: str) -> bool:
    return file == name or file.startswith(f"{name}-")
