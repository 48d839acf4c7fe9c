"""Deletes what is older than the days to keep, and nothing that something younger needs."""

from __future__ import annotations

from datetime import datetime, timedelta

from netra.backup import clickhouse, manifest, postgres, rows, timeline, wal
from netra.backup.destination import Destination
from netra.backup.manifest import Manifest


def prune(destination: Destination, now: datetime, keep_days: int) -> list[str]:
    """Deletes and returns the names of what it deleted.

    The newest full backup of a store stays whatever its age: an old backup beats none.
    """
    oldest = now - timedelta(days=keep_days)
    deleted: list[str] = []
    for store in manifest.STORES:
        found = manifest.listed(destination, store)
        for outdated in _outdated(found, oldest):
            names = destination.names(outdated.folder)
            # The manifest first: what is half deleted is no backup any more.
            for name in sorted(names, key=lambda n: not n.endswith(manifest.NAME)):
                destination.delete(name)
                deleted.append(name)
    return deleted + _prune_log(destination) + _prune_rows(destination)


def _outdated(found: list[Manifest], oldest: datetime) -> list[Manifest]:
    kept = {m.id for m in found if m.ended_at >= oldest}
    if newest := manifest.latest_full(found):
        kept.add(newest.id)
    kept |= {m.base for m in found if m.id in kept and m.base}
    return [m for m in found if m.id not in kept]


def _prune_log(destination: Destination) -> list[str]:
    """The log before the first backup of its cluster that is kept begins no restore any more."""
    first: dict[str, int] = {}
    for m in manifest.listed(destination, postgres.STORE):
        begins = timeline.number(m.position["start"])
        first[m.position["system"]] = min(begins, first.get(m.position["system"], begins))
    deleted: list[str] = []
    for system, number in first.items():
        for kept in wal.listed(destination, system):
            if kept.number is not None and kept.number < number:
                destination.delete(kept.name)
                deleted.append(kept.name)
    return deleted


def _prune_rows(destination: Destination) -> list[str]:
    """Rows that were visible when the first kept backup of ClickHouse began are in every one."""
    backups = manifest.listed(destination, clickhouse.STORE)
    if not backups:
        return []
    begins = min(m.began_at for m in backups) - 2 * rows.OVERLAP
    outdated = [k for t in rows.tables() for k in rows.listed(destination, t) if k.at < begins]
    for kept in outdated:
        destination.delete(kept.name)
    return [kept.name for kept in outdated]
