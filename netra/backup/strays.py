"""Files below a destination that no backup wrote: a copying tool's leftovers, somebody's notes.

They are passed over wherever the log and rows are read, and named: one of them may be a file that
was kept and got another name. Whoever put them there removes them.
"""

from __future__ import annotations

import logging

from netra.backup.destination import Destination

log = logging.getLogger(__name__)

_TOLD: set[str] = set()


def tell(destination: Destination, name: str) -> None:
    """Names a file in the log, once in the life of a process."""
    place = f"{destination.url}/{name}"
    if place not in _TOLD:
        _TOLD.add(place)
        log.warning(
            "passed over, as it has no name that a backup gives: %s; give it its name back, or"
            " remove it",
            place,
        )
