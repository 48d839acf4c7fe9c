"""Brings ClickHouse to what a restored PostgreSQL says: a backup, then the rows kept since.

PostgreSQL is restored first, as it is the truth. Rows in ClickHouse that it does not know are
invisible, and swept; so ClickHouse may be newer, and never needs the very same moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from netra.backup import clickhouse as backups
from netra.backup import manifest as manifests
from netra.backup import rows
from netra.backup.destination import Destination
from netra.backup.errors import RestoreRefused
from netra.backup.hashes import Hashes
from netra.backup.manifest import Manifest
from netra.backup.rows import Kept, Writer
from netra.backup.scratch import scratch
from netra.settings import Settings
from netra.store import clickhouse, clickhouse_migrations, events, postgres, series
from netra.store.events import Scope
from netra.store.tables import ALL, Table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What was restored of ClickHouse."""

    backup: Manifest | None
    #: Ingests whose rows came from what was kept since the backup.
    ingests_put_back: int
    rows_put_back: int


def check(settings: Settings, destination: Destination, chosen: Manifest | None) -> None:
    """Compares everything that a restore of `chosen` may read with its hashes.

    Raises:
        BackupDamaged: a file is not the one that was written.
    """
    with scratch(settings) as folder:
        compared = Hashes(destination, folder)
        if chosen is not None:
            compared.of_backups(manifests.chain(destination, chosen))
        since = chosen.began_at - 2 * rows.OVERLAP if chosen else None
        for table in rows.tables():
            kept = rows.listed(destination, table)
            compared.of_rows(k for k in kept if since is None or k.at >= since)


def restore(
    settings: Settings,
    destination: Destination,
    *,
    until: datetime | None = None,
    backup: Manifest | None = None,
    checked: bool = False,
) -> Rebuilt:
    """Restores ClickHouse, which must be empty, to what PostgreSQL (restored already) knows.

    What it needs is compared with its hashes before anything is written, unless it was already
    (`checked`, and chosen: no `backup` is then none).

    Raises:
        RestoreRefused: there are rows already.
        BackupDamaged: a file is not the one that was written.
        StoreUnavailable: a store or the destination does not answer.
    """
    client = clickhouse.connect(settings.clickhouse)
    try:
        _refuse_if_used(client)
        chosen = backup if backup or checked else choose(destination, until)
        if not checked:
            check(settings, destination, chosen)
        _drop_tables(client)
        if chosen is not None:
            chain = manifests.chain(destination, chosen)
            backups.restore(client, settings, destination, chain)
        clickhouse_migrations.migrate(client)
        with postgres.connect(settings.database, "backup") as pg:
            writers = rows.visible_since(pg, None)
        put_back = _ingests(client, settings, destination, writers)
        since = chosen.began_at - rows.OVERLAP if chosen else None
        n = _results(client, settings, destination, since)
        return Rebuilt(
            backup=chosen,
            ingests_put_back=len(put_back),
            rows_put_back=n + sum(kept.rows for kept in put_back),
        )
    finally:
        client.close()


def _refuse_if_used(client: Client) -> None:
    found = client.query(
        "SELECT name, total_rows FROM system.tables WHERE database = currentDatabase()"
        " AND total_rows > 0 AND name <> 'schema_migrations'"
    ).result_rows
    if found:
        held = ", ".join(f"{name}: {n} rows" for name, n in found)
        raise RestoreRefused(f"ClickHouse is not empty ({held}): nothing is overwritten")


def _drop_tables(client: Client) -> None:
    # Tables without rows are in the way of those of the backup, which bring their own definition.
    tables = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase()"
    ).result_rows
    for (name,) in tables:
        client.command("DROP TABLE {name:Identifier} SYNC", {"name": name})


def choose(
    destination: Destination,
    until: datetime | None,
    id: str | None = None,
    *,
    system: str | None = None,
) -> Manifest | None:
    """The backup of this id, else the last that was complete then; else the first after it.

    That has what was there before, but for what was deleted since. None if there is none at all.
    One that is known to belong to another PostgreSQL than `system` is not chosen.
    """
    if id is not None:
        return manifests.named(destination, backups.STORE, id)
    found = manifests.listed(destination, backups.STORE)
    if system is not None:
        found = [m for m in found if m.position.get("system", system) == system]
    before = [m for m in found if until is None or m.ended_at <= until]
    return before[-1] if before else (found[0] if found else None)


def _ingests(
    client: Client, settings: Settings, destination: Destination, writers: list[Writer]
) -> list[Kept]:
    """Puts back the rows of visible ingests that the backup has not, or not all of."""
    done: list[Kept] = []
    by_id = {writer.id: writer for writer in writers}
    with scratch(settings) as folder:
        for table in ALL:
            counts = rows.counted(client, table.name)
            for kept in rows.listed(destination, table.name):
                writer = by_id.get(kept.writer)
                if writer is None or counts.get(kept.writer, 0) >= kept.rows:
                    continue
                if kept.writer in counts:  # it was being written while the backup was made
                    _delete(client, table, writer)
                rows.put_back(client, destination, kept, folder)
                done.append(kept)
    return done


def _delete(client: Client, table: Table, writer: Writer) -> None:
    scope = Scope(
        tenant_id=writer.tenant_id, workload_id=writer.workload_id, ingest_ids=(writer.id,)
    )
    events.delete(client, scope, wait=True, table=table)


def _results(
    client: Client,
    settings: Settings,
    destination: Destination,
    since: datetime | None,
) -> int:
    """Puts back tables of results; one that is there twice is read once."""
    n = 0
    with scratch(settings) as folder:
        for kept in rows.listed(destination, series.TABLE):
            if since is None or kept.at >= since:
                rows.put_back(client, destination, kept, folder)
                n += kept.rows
    return n
