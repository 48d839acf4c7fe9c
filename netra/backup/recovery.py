"""Restores PostgreSQL into a folder: a full backup, what changed since, the WAL up to a time."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import DictRow

from netra.backup import manifest as manifests
from netra.backup import moments, postgres, programs, room, timeline, wal
from netra.backup.destination import Destination
from netra.backup.errors import RestoreRefused
from netra.backup.hashes import Hashes
from netra.backup.manifest import Manifest
from netra.backup.private_server import server
from netra.backup.timeline import Line
from netra.backup.wal import Hole, Reach
from netra.embedded.account import Account
from netra.errors import NetraError

#: Reading the WAL of many hours takes its time, seconds.
_PATIENCE_S = 4 * 3600.0
_PAST_THE_END = "recovery ended before configured recovery target was reached"


@dataclass(frozen=True, kw_only=True)
class Where:
    """The folder that becomes the cluster, and who works in it."""

    #: The data folder. It must be missing or empty.
    cluster: Path
    #: PostgreSQL's programs, which `account` can reach.
    programs: Path
    #: None unless this process is root.
    account: Account | None


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What was restored."""

    backup: Manifest
    #: The time that was asked for; None: as late as there is WAL.
    until: datetime | None
    schema: str
    rows: dict[str, int]
    #: The newest fact in it.
    last_fact_at: datetime | None
    #: What keeps it from being later: where the log that is kept has a hole, in words.
    hole: str | None = None


def restore(
    destination: Destination,
    where: Where,
    *,
    until: datetime | None = None,
    backup: Manifest | None = None,
    password: str | None = None,
) -> Recovered:
    """Restores into `where.cluster` the state of `until`, or the last that is kept.

    `backup` is the one to begin with (default: the last that was complete then). `password` becomes
    the password of Netra's role.

    Raises:
        RestoreRefused: the folder is not empty, or what is kept does not reach `until`.
        BackupDamaged: a file is not the one that was written; the folder stays empty.
        NetraError: PostgreSQL did not come up with it; the folder stays empty.
    """
    _refuse_if_used(where.cluster)
    chosen = backup or choose(destination, until)
    _refuse_if_not_kept(destination, chosen, until)
    known = wal.reach(destination, chosen)
    with room.named(where.cluster.parent), _beside(where) as folder:
        hole = _before_the_hole(destination, chosen, until, known, folder, where)
        draft = _combined(destination, chosen, folder, where)
        archive = folder / "wal"
        archive.mkdir()
        wal.fetch(destination, known, archive)
        (draft / "recovery.signal").touch()
        _own(folder, where.account)
        done = _recover(draft, archive, chosen, known.line, until, password, where)
        if where.cluster.exists():
            where.cluster.rmdir()
        draft.rename(where.cluster)
    return replace(done, hole=hole)


def _refuse_if_used(cluster: Path) -> None:
    if cluster.exists() and (not cluster.is_dir() or any(cluster.iterdir())):
        raise RestoreRefused(
            f"{cluster} is not empty: nothing is overwritten; move it away, or let the restore do"
            " so with --replace"
        )


def check(
    destination: Destination,
    where: Where,
    chosen: Manifest,
    until: datetime | None,
    folder: Path,
) -> None:
    """Compares everything that a restore of `chosen` reads with its hashes; writes to `folder`.

    Raises:
        RestoreRefused: what is kept does not reach `until`.
        BackupDamaged: a file is not the one that was written.
    """
    _refuse_if_not_kept(destination, chosen, until)
    known = wal.reach(destination, chosen)
    _before_the_hole(destination, chosen, until, known, folder, where)
    compared = Hashes(destination, folder)
    compared.of_backups(manifests.chain(destination, chosen))
    compared.of_log((*known.histories, *known.segments))


def choose(destination: Destination, until: datetime | None, id: str | None = None) -> Manifest:
    """The backup to begin with: that of this id, else the last that was complete then.

    Where the server was once restored to an earlier moment, and wrote on, a backup of what it was
    before then leads to nothing that was written since: such a one is chosen by its id alone.

    Raises:
        NotFound: there is none of this id.
        RestoreRefused: there is none of then, or the one that is named was complete later; or none
            is named, and they are of several installations.
    """
    if id is not None:
        named = manifests.named(destination, postgres.STORE, id)
        if until is not None and named.ended_at > until:
            raise RestoreRefused(
                f"{id} was complete at {named.ended_at}, after {until}: name an older one"
            )
        return named
    found = manifests.listed(destination, postgres.STORE)
    systems = sorted({m.position["system"] for m in found})
    if len(systems) > 1:
        raise RestoreRefused(
            f"{destination.url} holds backups of several installations (PostgreSQL's system"
            f" identifiers {', '.join(systems)}): name one with --backup; netra backup list says"
            " whose each is"
        )
    living = _of_the_living_line(destination, found)
    chosen = postgres.newest_before(living, until) or postgres.newest_before(found, until)
    if chosen is None:
        first = f"the first was complete at {found[0].ended_at}" if found else "there is none"
        raise RestoreRefused(f"no backup of PostgreSQL in {destination.url} for then: {first}")
    return chosen


def _of_the_living_line(destination: Destination, found: list[Manifest]) -> list[Manifest]:
    """Those from which the newest timeline can be reached; all, where its history is not kept."""
    if not found:
        return []
    timelines = {int(m.position["timeline"]) for m in found}
    line = wal.newest_line(destination, found[-1].position["system"], timelines)
    if line is None:
        return found
    return [m for m in found if line.has(int(m.position["timeline"]), m.position["end"])]


def _refuse_if_not_kept(destination: Destination, chosen: Manifest, until: datetime | None) -> None:
    reached = wal.position(destination, chosen.position["system"])
    end = max(chosen.ended_at, reached.at) if reached else chosen.ended_at
    if until is not None and until > end:
        raise RestoreRefused(
            f"what is kept reaches up to {end.isoformat()}, not to {until.isoformat()}: name an"
            " earlier time, or none to get all that there is"
        )


def _before_the_hole(
    destination: Destination,
    chosen: Manifest,
    until: datetime | None,
    known: Reach,
    folder: Path,
    where: Where,
) -> str | None:
    """What cannot be reached for a hole in the log, in words; None if there is none in the way.

    Raises:
        RestoreRefused: `until` lies behind it.
    """
    if known.hole is None:
        return None
    pg_waldump = where.programs / "pg_waldump"
    last = moments.last_commit(destination, known, folder, pg_waldump) or chosen.ended_at
    if until is not None and until <= last:
        return None
    said = (
        f"the log that is kept behind postgres {chosen.id} has a hole ({known.hole}): what was"
        f" committed up to {last.isoformat()} can be restored, and nothing between then and the"
        " next backup"
    )
    if until is None:
        return said
    later = _behind(destination, chosen, known.hole)
    other = (
        f"a time from {later.ended_at.isoformat()} on, when {later.id} was complete"
        if later
        else "no later time, as no backup follows it: take one"
    )
    raise RestoreRefused(
        f"{said}; not {until.isoformat()}: name {last.isoformat()} or an earlier time, or {other}"
    )


def _behind(destination: Destination, chosen: Manifest, hole: Hole) -> Manifest | None:
    """The first backup that begins behind a hole."""
    missing = wal.number_of(hole.missing)
    found = manifests.listed(destination, postgres.STORE)
    own = (m for m in found if m.position["system"] == chosen.position["system"])
    return next((m for m in own if timeline.number(m.position["start"]) > missing), None)


@contextmanager
def _beside(where: Where) -> Iterator[Path]:
    """A folder on the same disk, so that what is ready is moved into its place whole."""
    folder = where.cluster.with_name(f".{where.cluster.name}.restoring")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _combined(destination: Destination, chosen: Manifest, folder: Path, where: Where) -> Path:
    """The cluster as the backup has it, not yet recovered."""
    parts: list[Path] = []
    for manifest in manifests.chain(destination, chosen):
        fetched, part = folder / f"{manifest.id}.tars", folder / manifest.id
        manifests.fetch(destination, manifest, fetched)
        part.mkdir(mode=0o700)
        _unpack(fetched / "base.tar.gz", part)
        shutil.copyfile(fetched / postgres.SERVER_MANIFEST, part / postgres.SERVER_MANIFEST)
        _unpack(fetched / "pg_wal.tar.gz", part / "pg_wal")
        shutil.rmtree(fetched)
        parts.append(part)
    if len(parts) == 1:
        return parts[0]
    draft = folder / "draft"
    # Hard links: the parts are thrown away afterwards, and the files need not be copied.
    command = [str(where.programs / "pg_combinebackup"), "--link", f"--output={draft}"]
    programs.run([*command, *map(str, parts)], error=NetraError)
    return draft


def _unpack(archive: Path, into: Path) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(into, filter="data")


def _own(folder: Path, account: Account | None) -> None:
    for path in (folder, *folder.rglob("*")):
        if account:
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
        if path.is_dir():
            path.chmod(0o700)


def _recover(
    draft: Path,
    archive: Path,
    chosen: Manifest,
    line: Line,
    until: datetime | None,
    password: str | None,
    where: Where,
) -> Recovered:
    quoted = str(archive).replace("'", "'\\''").replace("%", "%%")
    options = {
        "restore_command": f"cp '{quoted}'/%f %p",
        "recovery_target_timeline": str(line.timeline),
        "recovery_target_action": "promote",
    }
    target = {"recovery_target_time": until.astimezone(UTC).isoformat()} if until else {}
    try:
        return _recovered(draft, chosen, until, password, where, {**options, **target})
    except NetraError as e:
        if _PAST_THE_END not in e.detail:
            raise
        # All WAL up to then is kept, and nothing was committed between its end and then.
        return _recovered(draft, chosen, until, password, where, options)


def _recovered(
    draft: Path,
    chosen: Manifest,
    until: datetime | None,
    password: str | None,
    where: Where,
    options: dict[str, str],
) -> Recovered:
    role, database = chosen.position["role"], chosen.position["database"]
    with server(
        draft,
        where.programs,
        where.account,
        role=role,
        database=database,
        options=options,
        within_s=_PATIENCE_S,
    ) as connection:
        if password is not None:
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), password)
            )
        seen = _one(connection, "SELECT version_num AS schema FROM alembic_version")
        last = _one(connection, "SELECT max(ts) AS at FROM facts")
        return Recovered(
            backup=chosen,
            until=until,
            schema=seen["schema"],
            rows=postgres.count(connection),
            last_fact_at=last["at"],
        )


def _one(connection: psycopg.Connection[DictRow], query: str) -> dict[str, Any]:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row
