"""Removes what failed and killed backups left: drafts, and files of backups without a manifest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from netra.backup import manifest
from netra.backup.destination import Destination

#: Who writes to a bucket cannot be seen: what has no manifest after this long gets none.
_LONG = timedelta(days=1)


def sweep(destination: Destination, now: datetime | None = None) -> list[str]:
    """Deletes them and returns their names; never what a living process is writing.

    Raises:
        StoreUnavailable: the destination does not answer.
    """
    before = (now or datetime.now(UTC)) - _LONG
    deleted = destination.sweep_drafts()
    for store in manifest.STORES:
        with destination.quiet(store) as quiet:
            for name in _without_manifest(destination, store):
                if quiet or _made_at(name.split("/")[1]) < before:
                    destination.delete(name)
                    deleted.append(name)
    return deleted


def _without_manifest(destination: Destination, store: str) -> list[str]:
    names = [name for name in destination.names(store) if name.count("/") >= 2]
    whole = {n.rpartition("/")[0] for n in names if n.endswith(f"/{manifest.NAME}")}
    return [n for n in names if n.rpartition("/")[0] not in whole]


def _made_at(id: str) -> datetime:
    """The time that a backup's name says; now, if it says none."""
    try:
        return manifest.read_id(id)[0]
    except ValueError:
        return datetime.now(UTC)
