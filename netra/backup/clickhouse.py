"""Backs ClickHouse up by its own BACKUP statement: whole, or what the last whole one lacks.

The server writes into a folder that this process sees too, and from there one archive and the
server's list of its files are sent on. Parts never change, so what a full backup has is referred
to and not copied again (ADR 0011).
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from netra import __version__
from netra.backup import manifest as manifests
from netra.backup import room
from netra.backup.destination import Destination
from netra.backup.errors import BackupFailed
from netra.backup.manifest import Manifest
from netra.backup.owner import Owner
from netra.backup.scratch import held, is_left, scratch
from netra.errors import SettingsError
from netra.settings import Settings
from netra.store import clickhouse, series, tables

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

STORE = "clickhouse"
ARCHIVE = "parts.tar"
#: The server's list of the backup's files; of a base, this alone is needed to build on it.
SERVER_LIST = ".backup"
_KEPT_LIST = "files.xml"
#: Tables of rows that name their writer.
TABLES = (*(table.name for table in tables.ALL), series.TABLE)


def take(settings: Settings, destination: Destination, kind: str, owner: Owner | None) -> Manifest:
    """Makes a backup of `kind` and returns its manifest, once it is kept.

    `owner` is the PostgreSQL that it belongs to, as far as that is known.

    Raises:
        BackupFailed: it could not be made; nothing will take what is left of it for a backup.
        StoreUnavailable: ClickHouse or the destination does not answer.
    """
    base = _base(destination, kind)
    client = clickhouse.connect(settings.clickhouse)
    try:
        with scratch(settings) as folder, _staging(settings) as staging:
            began, before = now(client), count(client)
            _backup(client, settings, destination, staging, base)
            ended, after = now(client), count(client)
            made = _packed(staging / "made", folder)
            id = manifests.new_id(ended, kind)
            for path in made:
                destination.put(f"{STORE}/{id}/{path.name}", path)
            manifest = Manifest(
                store=STORE,
                id=id,
                kind=kind,
                base=base.id if base else None,
                began_at=began,
                ended_at=ended,
                netra=__version__,
                server=str(client.command("SELECT version()")),
                schema=str(client.command("SELECT max(version) FROM schema_migrations")),
                position={"database": clickhouse.database_of(settings.clickhouse)}
                | (owner.position if owner else {}),
                rows={name: (before[name], rows) for name, rows in after.items()},
                files=tuple(manifests.described(path.name, path) for path in made),
            )
    finally:
        client.close()
    manifests.keep(destination, manifest)
    return manifest


def now(client: Client) -> datetime:
    return client.query("SELECT now64(6, 'UTC')").result_rows[0][0].astimezone(UTC)


def count(client: Client) -> dict[str, int]:
    """Rows by table, those of writers that lost among them."""
    queries = {name: f"SELECT count() FROM {name}" for name in TABLES}  # noqa: S608
    return {name: client.query(query).result_rows[0][0] for name, query in queries.items()}


def _base(destination: Destination, kind: str) -> Manifest | None:
    if kind == "full":
        return None
    base = manifests.latest_full(manifests.listed(destination, STORE))
    if base is None:
        raise BackupFailed(f"{destination.url} has no full backup of ClickHouse yet: take one")
    return base


@contextmanager
def _staging(settings: Settings) -> Iterator[Path]:
    """A folder below the one that the server may write backups to."""
    if not settings.backup.clickhouse_folder:
        raise SettingsError(
            "NETRA_BACKUP_CLICKHOUSE_FOLDER is not set: the folder that ClickHouse writes its"
            " backups to (backups.allowed_path), as it and this process both see it"
        )
    root = Path(settings.backup.clickhouse_folder)
    folder = root / f"netra-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    with room.named(root, "NETRA_BACKUP_CLICKHOUSE_FOLDER names it"):
        for path in root.glob("netra-*") if root.is_dir() else ():
            if is_left(path):
                shutil.rmtree(path, ignore_errors=True)
        folder.mkdir(parents=True)
    try:
        with held(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _backup(
    client: Client,
    settings: Settings,
    destination: Destination,
    staging: Path,
    base: Manifest | None,
) -> None:
    database = clickhouse.database_of(settings.clickhouse)
    statement = f"BACKUP DATABASE {_name(database)} TO {_file(staging / 'made')}"
    if base is not None:
        kept = staging / "base"
        kept.mkdir()
        destination.fetch(f"{base.folder}/{_KEPT_LIST}", kept / SERVER_LIST)
        statement += f" SETTINGS base_backup = {_file(kept)}"
    with clickhouse.unavailable():
        answer = client.command(statement)
    if "BACKUP_CREATED" not in str(answer):
        raise BackupFailed(f"ClickHouse answered {answer!r} to BACKUP")


def _packed(made: Path, folder: Path) -> list[Path]:
    """One archive of the parts' files, which are compressed already, and their list."""
    listed = folder / _KEPT_LIST
    shutil.copyfile(made / SERVER_LIST, listed)
    archive = folder / ARCHIVE
    with tarfile.open(archive, "w") as tar:
        tar.add(made, arcname="made")
    return [archive, listed]


def restore(
    client: Client, settings: Settings, destination: Destination, chain: list[Manifest]
) -> None:
    """Restores into the database of `client`, which must be empty.

    Raises:
        BackupDamaged: a file is not the one that was written; nothing was restored then.
        StoreUnavailable: ClickHouse or the destination does not answer.
    """
    newest = chain[-1]
    with scratch(settings) as folder, _staging(settings) as staging:
        for role, manifest in zip(("base", "made")[-len(chain) :], chain, strict=True):
            manifests.fetch(destination, manifest, folder / role)
            with tarfile.open(folder / role / ARCHIVE) as tar:
                tar.extractall(folder / f"{role}-parts", filter="data")
            shutil.move(folder / f"{role}-parts" / "made", staging / role)
        old, new = newest.position["database"], clickhouse.database_of(settings.clickhouse)
        statement = f"RESTORE DATABASE {_name(old)} AS {_name(new)} FROM {_file(staging / 'made')}"
        if newest.base:
            statement += f" SETTINGS base_backup = {_file(staging / 'base')}"
        with clickhouse.unavailable():
            client.command(statement)


# BACKUP and RESTORE take no parameters.
def _name(database: str) -> str:
    return "`" + database.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _file(path: Path) -> str:
    quoted = str(path).replace("\\", "\\\\").replace("'", "\\'")
    return f"File('{quoted}')"
