"""A restore that has not ended: the home holds a part of a stack, which looks like a whole one.

It is marked by a file before the first byte is written, and the file goes when all is restored.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from netra.embedded import jsonfile
from netra.embedded.home import Home
from netra.errors import Conflict


class UnfinishedRestore(Conflict):
    """A restore into this home has not ended."""


def marker(home: Home) -> Path:
    return home.path / "restore-unfinished.json"


def mark(home: Home, source: str) -> None:
    """Says that what the home holds from now on is a part of what is restored from `source`."""
    jsonfile.write(marker(home), {"source": source, "began": datetime.now(UTC).isoformat()})


def clear(home: Home) -> None:
    marker(home).unlink(missing_ok=True)


def found(home: Home) -> str | None:
    """What is unfinished in this home, in words; None if nothing is."""
    if not marker(home).exists():
        return None
    said = jsonfile.read(marker(home))
    return (
        f"the restore into {home.path} from {said.get('source')}, begun at {said.get('began')}, has"
        " not ended: what is there is a part of it"
    )


def mend(home: Home) -> str:
    return (
        "run it again, netra backup restore: it begins anew; or, to use what is there as it is,"
        f" remove {marker(home)}"
    )


def refuse(home: Home) -> None:
    """Raises UnfinishedRestore if there is one."""
    if words := found(home):
        raise UnfinishedRestore(f"{words}; {mend(home)}")
