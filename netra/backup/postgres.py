"""Backs PostgreSQL up: whole, or what changed since the last whole one (PostgreSQL 17 and later).

The server's own `pg_basebackup` does the copying, while the server runs; its manifest has a SHA-256
of every file of the cluster. Incremental backups build on the full one, never on each other, so
that one damaged or missing backup costs no other.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from netra import __version__
from netra.backup import manifest as manifests
from netra.backup import owner as owners
from netra.backup import programs
from netra.backup.destination import Destination
from netra.backup.errors import BackupFailed
from netra.backup.manifest import Manifest
from netra.backup.owner import Owner
from netra.backup.scratch import scratch
from netra.settings import Settings
from netra.store import postgres
from netra.store.postgres import Connection

STORE = "postgres"
#: Its list of files and their hashes, which an incremental backup is made from.
SERVER_MANIFEST = "backup_manifest"
#: Tables that only grow: a restored one has as many rows as were counted, or some more.
GROWING = (
    *("tenants", "api_keys", "workloads", "batches", "jobs", "stages", "facts"),
    *("stage_results", "dead_letters"),
)


#: What the server says, in part, of a base that nothing can be built on.
_NO_BASE = ("found in manifest", "manifest requires WAL", "WAL summaries are required")


def take(settings: Settings, destination: Destination, kind: str, owner: Owner) -> Manifest:
    """Makes a backup of `kind` and returns its manifest, once it is kept.

    `owner` is the server, which may keep backups there (`owner.admitted`).

    Raises:
        BackupFailed: it could not be made; nothing will take what is left of it for a backup.
        StoreUnavailable: PostgreSQL or the destination does not answer.
    """
    base = _base(destination, kind)
    with (
        postgres.connect(settings.database, "backup") as connection,
        scratch(settings) as folder,
    ):
        before = _seen(connection)
        incremental: list[str] = []
        if base is not None:
            _refuse_if_no_base(base, owner)
            destination.fetch(f"{base.folder}/{SERVER_MANIFEST}", folder / "base_manifest")
            incremental = [f"--incremental={folder / 'base_manifest'}"]
        made = folder / "made"
        owners.claim(destination, owner, folder)
        try:
            _copy(settings, made, [f"--label=netra {kind}", *incremental])
        except BackupFailed as e:
            if base is not None and any(words in e.detail for words in _NO_BASE):
                raise BackupFailed(f"{_nothing_on(base)} ({e.detail})") from e
            raise
        after = _seen(connection)
        id = manifests.new_id(after["now"], kind)
        files = [manifests.described(path.name, path) for path in sorted(made.iterdir())]
        for file in files:
            destination.put(f"{STORE}/{id}/{file.name}", made / file.name)
        manifest = Manifest(
            store=STORE,
            id=id,
            kind=kind,
            base=base.id if base else None,
            began_at=before["now"],
            ended_at=after["now"],
            netra=__version__,
            server=after["server"],
            schema=after["schema"],
            position={name: after[name] for name in ("system", "role", "database")}
            | _range(made / SERVER_MANIFEST),
            rows={name: (before["rows"].get(name, 0), n) for name, n in after["rows"].items()},
            files=tuple(files),
        )
    manifests.keep(destination, manifest)
    return manifest


def _base(destination: Destination, kind: str) -> Manifest | None:
    if kind == "full":
        return None
    base = manifests.latest_full(manifests.listed(destination, STORE))
    if base is None:
        raise BackupFailed(
            f"{destination.url} has no full backup of PostgreSQL yet: an incremental one holds only"
            " what changed since one"
        )
    return base


def _copy(settings: Settings, into: Path, options: list[str]) -> None:
    program = programs.folder(settings) / "pg_basebackup"
    command = [str(program), f"--pgdata={into}", "--format=tar", "--compress=client-gzip:1"]
    command += ["--wal-method=stream", "--checkpoint=fast", "--manifest-checksums=SHA256"]
    programs.run([*command, "--no-password", *options], programs.environment(settings))


def _seen(connection: Connection) -> dict[str, Any]:
    """The server's clock, identity, schema and row counts, now."""
    with postgres.unavailable():
        try:
            row = connection.execute(
                "SELECT clock_timestamp() AS now, version() AS server,"
                " current_user::text AS role, current_database()::text AS database,"
                " (SELECT system_identifier::text FROM pg_control_system()) AS system,"
                " (SELECT version_num FROM alembic_version) AS schema"
            ).fetchone()
        except psycopg.errors.UndefinedTable as e:
            raise BackupFailed("the database has no schema of Netra's: nothing to back up") from e
        assert row is not None
        return {**row, "rows": count(connection)}


def count(connection: Connection) -> dict[str, int]:
    """Rows of the tables that only grow."""
    tables = sql.SQL(", ").join(
        sql.SQL("(SELECT count(*) FROM {}) AS {}").format(sql.Identifier(t), sql.Identifier(t))
        for t in GROWING
    )
    row = connection.execute(sql.SQL("SELECT {}").format(tables)).fetchone()
    assert row is not None
    return dict(row)


def _refuse_if_no_base(base: Manifest, owner: Owner) -> None:
    made = int(base.position["timeline"])
    if not owner.line.has(made, base.position["end"]):
        raise BackupFailed(
            f"{_nothing_on(base)}: it was made on timeline {made} up to {base.position['end']}, and"
            f" this server (timeline {owner.timeline}) was restored to a moment before that"
        )


def _nothing_on(base: Manifest) -> str:
    return (
        f"no incremental backup of this server can be built on the last full one, {base.id}; take a"
        " full one: netra backup take postgres"
    )


def _range(server_manifest: Path) -> dict[str, str]:
    """The WAL that a restore of this backup needs at least."""
    last = json.loads(server_manifest.read_text())["WAL-Ranges"][-1]
    return {
        "timeline": str(last["Timeline"]),
        "start": last["Start-LSN"],
        "end": last["End-LSN"],
    }


def newest_before(found: list[Manifest], until: datetime | None) -> Manifest | None:
    """The backup to restore from: the last that was complete at `until`."""
    usable = [m for m in found if until is None or m.ended_at <= until]
    return usable[-1] if usable else None
