"""How old what is kept is, as metrics of the process that follows the stores."""

from __future__ import annotations

import time
from datetime import datetime

from netra.backup import manifest
from netra.backup.destination import Destination
from netra.metrics import BACKUP_AT, BACKUP_REACHED_AT

#: The backups are listed this often at most, seconds.
EVERY_S = 60.0


class Ages:
    """Sets the metrics; what is not known yet counts from the start of this process."""

    def __init__(self) -> None:
        self._listed = -EVERY_S
        BACKUP_REACHED_AT.set(time.time())

    def reached(self, at: datetime) -> None:
        """Everything that was committed by then is kept."""
        BACKUP_REACHED_AT.set(at.timestamp())

    def backups(self, destination: Destination) -> None:
        """Looks which backups there are, by their names, if it is time to."""
        if time.monotonic() - self._listed < EVERY_S:
            return
        for store in manifest.STORES:
            newest = {"full": 0.0}
            for name in destination.names(store):
                if manifest.is_name(name) and (read := _read_id(name.split("/")[1])):
                    at, kind = read
                    newest[kind] = max(at.timestamp(), newest.get(kind, 0.0))
            for kind, at in newest.items():
                BACKUP_AT.labels(store, kind).set(at)
        self._listed = time.monotonic()


def _read_id(id: str) -> tuple[datetime, str] | None:
    """As `manifest.read_id`; None of a folder that no backup named."""
    try:
        return manifest.read_id(id)
    except ValueError:
        return None
