"""Whose backups a destination holds: those of one installation, and of one living line of it.

An installation is PostgreSQL's system identifier. A restored server has that of the one it was
restored from, and a newer timeline: it takes the destination over once the line before it is
silent, and from then on that line is refused. So neither can spoil what the other needs.
"""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import LiteralString

import psycopg

from netra.backup import manifest as manifests
from netra.backup import timeline, wal
from netra.backup.destination import Destination
from netra.backup.errors import BackupFailed, NotOurs
from netra.backup.manifest import Manifest
from netra.backup.timeline import Line
from netra.heartbeat import lives
from netra.settings import Settings
from netra.store import postgres
from netra.store.postgres import Connection

#: A follower that has written no position for so long is silent; or for so many of its intervals.
SILENT = timedelta(minutes=1)
_SILENT_INTERVALS = 6
_OWN = "give this one a folder of its own (NETRA_BACKUP_URL or --at), and take a full backup there"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A PostgreSQL server, as its backups know it."""

    system: str
    timeline: int
    #: The timeline's, as PostgreSQL writes it: empty for the first; None: it was not asked for.
    history: str | None

    @property
    def line(self) -> Line:
        return timeline.line(self.timeline, self.history or "")

    @property
    def position(self) -> dict[str, str]:
        """What a manifest says of it."""
        return {"system": self.system, "timeline": str(self.timeline)}


def admitted(settings: Settings, destination: Destination, *, history: bool) -> Owner | None:
    """The server that `settings` name, if it may keep backups there; None if that is not known.

    `history` is asked for over the replication protocol, which its role must be allowed.

    Raises:
        NotOurs: the backups there are another's.
        StoreUnavailable: PostgreSQL or the destination does not answer.
    """
    found = None
    if settings.database.url:
        with postgres.connect(settings.database, "backup") as connection:
            found = of(settings, connection, history=history)
    refuse(destination, found)
    return found


def known(owner: Owner | None) -> Owner:
    """Raises BackupFailed if it is not known: PostgreSQL's own backups need to name it."""
    if owner is None:
        raise BackupFailed(
            "PostgreSQL does not tell who it is: let its role read pg_control_system() and"
            " pg_control_checkpoint()"
        )
    return owner


def of(settings: Settings, connection: Connection, *, history: bool = True) -> Owner | None:
    """The server that a connection is to; None if it may not tell."""
    with postgres.unavailable():
        try:
            row = connection.execute(_WHO).fetchone()
            assert row is not None
            if row["timeline"] is None:
                row |= connection.execute(_WHICH_OF_A_STANDBY).fetchone() or {}
        except psycopg.errors.InsufficientPrivilege:
            return None
    said = None
    if history:
        said = timeline.history(settings, row["timeline"]) if row["timeline"] > 1 else ""
    return Owner(system=row["system"], timeline=row["timeline"], history=said)


def refuse(destination: Destination, owner: Owner | None) -> None:
    """Raises NotOurs if what is kept there is not this server's to add to."""
    backups = [m for store in manifests.STORES for m in manifests.listed(destination, store)]
    systems = {m.position["system"] for m in backups if "system" in m.position}
    systems |= wal.systems(destination)
    if owner is None:
        if systems:
            raise NotOurs(
                f"{destination.url} holds the backups of the installation with PostgreSQL's system"
                f" identifier {_words(systems)}, and whose this store is cannot be known: set"
                " DATABASE_URL too, and let its role read pg_control_system()"
            )
        return
    if others := systems - {owner.system}:
        raise NotOurs(
            f"{destination.url} holds backups of another installation (PostgreSQL's system"
            f" identifier {_words(others)}; this one's is {owner.system}), and a folder of backups"
            f" belongs to one: {_OWN}"
        )
    refuse_superseded(destination, owner, backups)
    _refuse_other_history(destination, owner)
    _refuse_beside_the_line_before(destination, owner, backups)


def refuse_superseded(
    destination: Destination, owner: Owner, backups: Sequence[Manifest] = ()
) -> None:
    """Raises NotOurs if a server that was restored from these backups has taken them over.

    The log tells, and `backups`, if they were read already.
    """
    newest = _newest(destination, owner.system, backups)
    if owner.timeline < newest:
        raise NotOurs(
            f"the backups in {destination.url} are not this server's any more: a server that was"
            f" restored from them (timeline {newest}) has taken them over, and no backup there"
            f" would reach what this one (timeline {owner.timeline}) writes. If that one replaces"
            f" this one, stop this one; if not, {_OWN}"
        )


def _refuse_other_history(destination: Destination, owner: Owner) -> None:
    kept = _history(destination, owner)
    if kept is not None and owner.history is not None and kept != owner.history:
        raise NotOurs(
            f"the backups in {destination.url} are those of another server that was restored from"
            f" them: its timeline {owner.timeline} began at another moment than this one's; {_OWN}"
        )


def _refuse_beside_the_line_before(
    destination: Destination, owner: Owner, backups: Sequence[Manifest]
) -> None:
    said = wal.position(destination, owner.system)
    if said is None or not is_living(said, datetime.now(UTC)):
        return
    before = said.timeline or _newest(destination, owner.system, backups)
    if before < owner.timeline:
        raise NotOurs(
            f"the server that this one was restored from goes on with the backups in"
            f" {destination.url}: {named(said)} (timeline {before}, this one's is"
            f" {owner.timeline}). If this one replaces it, stop that server and its follower, and"
            f" try again {_patience(said).total_seconds():.0f} s later; if this one is a copy,"
            f" {_OWN}"
        )


def refuse_second(destination: Destination, owner: Owner) -> None:
    """Raises NotOurs if another follower of the same timeline writes there."""
    said = wal.position(destination, owner.system)
    if said is None or said.by is None or not is_living(said, datetime.now(UTC)):
        return
    if said.timeline == owner.timeline:
        raise NotOurs(
            f"another one keeps this line of the log in {destination.url}: {named(said)}. If it is"
            " that of a copy of this server, give the copy a folder of its own; if it is gone, it"
            f" is waited for for {_patience(said).total_seconds():.0f} s"
        )


def is_living(said: wal.Position, now: datetime) -> bool:
    """Whether whoever wrote a position, and is not this process, may write another one."""
    if said.by is None:
        return now - said.at < SILENT
    if said.by.over or now - said.by.at >= _patience(said):
        return False
    here = writer(now, 0.0)
    if (said.by.host, said.by.boot) == (here.host, here.boot):
        return said.by.pid != here.pid and lives(said.by.pid)
    return True


def named(said: wal.Position) -> str:
    """Who wrote a position, and when, in words."""
    if said.by is None:
        return f"a netra backup follow wrote there at {said.at.isoformat(timespec='seconds')}"
    at = said.by.at.isoformat(timespec="seconds")
    return f"netra backup follow on {said.by.host} (pid {said.by.pid}) wrote there at {at}"


def writer(now: datetime, every_s: float, *, over: bool = False) -> wal.Writer:
    """This process, as one that follows."""
    return wal.Writer(
        host=socket.gethostname(),
        boot=_boot(),
        pid=os.getpid(),
        at=now,
        every_s=every_s,
        over=over,
    )


def claim(destination: Destination, owner: Owner, scratch: Path) -> None:
    """Keeps the timeline's history: a restore that does not know it would take its number again."""
    if owner.history and _history(destination, owner) is None:
        file = scratch / f"{owner.timeline:08X}.history"
        file.write_text(owner.history)
        wal.send(destination, owner.system, file, scratch)
        file.unlink()


def _newest(destination: Destination, system: str, backups: Sequence[Manifest]) -> int:
    """The newest timeline of which anything is kept; 0 if nothing is."""
    found = {kept.timeline for kept in wal.listed(destination, system)}
    own = (m.position for m in backups if m.position.get("system") == system)
    found |= {int(position.get("timeline", "0")) for position in own}
    if said := wal.position(destination, system):
        found.add(said.timeline)
    return max(found, default=0)


def _history(destination: Destination, owner: Owner) -> str | None:
    name = f"{owner.timeline:08X}.history"
    for kept in wal.listed(destination, owner.system):
        if kept.segment == name:
            packed = manifests.read_kept(destination, kept.name, kept.sha256)
            return gzip.decompress(packed).decode()
    return None


def _patience(said: wal.Position) -> timedelta:
    every_s = said.by.every_s if said.by else 0.0
    return max(SILENT, _SILENT_INTERVALS * timedelta(seconds=every_s))


def _words(systems: set[str]) -> str:
    return " and ".join(sorted(systems))


@cache
def _boot() -> str:
    """Tells one start of a machine from another, and a machine from its image started twice."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # not Linux
        return ""


_WHO: LiteralString = """
    SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system,
        CASE WHEN NOT pg_is_in_recovery()
            THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
        END AS timeline
"""
_WHICH_OF_A_STANDBY: LiteralString = "SELECT timeline_id AS timeline FROM pg_control_checkpoint()"
