"""Whether what is kept can be trusted: every hash, then a restore into a place of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netra.backup import clickhouse, home, manifest, postgres, programs, redis, rows, wal
from netra.backup.consistency import Consistency
from netra.backup.destination import Destination
from netra.backup.errors import BackupDamaged
from netra.backup.hashes import Hashes
from netra.backup.manifest import Manifest
from netra.backup.scratch import scratch
from netra.embedded import home as homes
from netra.embedded import postgres as embedded_postgres
from netra.embedded.home import Home
from netra.settings import Settings
from netra.store import clickhouse as store
from netra.store import redis as redis_store

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was compared with the hashes that it was written with."""

    backups: int
    files: int
    size_bytes: int
    #: Where the log behind backups of PostgreSQL has holes, in words, oldest first.
    holes: tuple[str, ...]
    #: Whether the log behind the newest one is among them.
    broken: bool


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a restore of the newest backups gave, and was compared with their manifests."""

    postgres: str
    clickhouse: str | None
    redis: str | None
    rows: Mapping[str, int]
    consistency: Consistency


def hashes(settings: Settings, destination: Destination) -> Checked:
    """Reads everything that is kept and compares its hashes.

    Raises:
        BackupDamaged: a file is missing, cut short or changed; the first one is named.
    """
    n = 0
    with scratch(settings) as folder:
        compared = Hashes(destination, folder)
        for store_name in manifest.STORES:
            for found in manifest.listed(destination, store_name, strict=True):
                manifest.chain(destination, found)
                compared.of_backups([found])
                n += 1
        compared.of_log(_logged(destination))
        for table in rows.tables():
            compared.of_rows(rows.listed(destination, table))
    holes, broken = _holes(destination)
    return Checked(
        backups=n,
        files=compared.files,
        size_bytes=compared.size_bytes,
        holes=holes,
        broken=broken,
    )


def _holes(destination: Destination) -> tuple[tuple[str, ...], bool]:
    """The holes of the log behind each backup of PostgreSQL; whether the newest has one."""
    logs: dict[str, list[wal.Kept]] = {}
    found: dict[str, str] = {}
    broken = False
    for backup in manifest.listed(destination, postgres.STORE):
        system = backup.position["system"]
        if system not in logs:
            logs[system] = wal.listed(destination, system)
        hole = wal.reach(destination, backup, logs[system]).hole
        broken = hole is not None
        if hole is not None:
            found[str(hole)] = f"behind postgres {backup.id}: {hole}"
    return tuple(found.values()), broken


def _logged(destination: Destination) -> list[wal.Kept]:
    systems = sorted(wal.systems(destination))
    return [kept for system in systems for kept in wal.listed(destination, system)]


def restored(settings: Settings, destination: Destination) -> Verified:
    """Restores the newest backups, log and rows into a scratch folder, and looks at the result.

    Of PostgreSQL every page's checksum is read, of ClickHouse every part's; rows are counted.

    Raises:
        BackupDamaged: it does not restore, or gives less than was backed up.
        RestoreRefused: there is no backup.
    """
    # PostgreSQL may run as another user, who must be able to pass.
    with scratch(settings, passable=True) as path:
        place = Home(path)
        keys = manifest.listed(destination, redis.STORE)
        done = home.restore(place, settings, destination, with_redis=bool(keys))
        _pages(place)
        with home.stores(place, settings, ("clickhouse", "valkey")) as running:
            found = _counted(running, done.clickhouse.backup)
            if keys:
                found["keys"] = _keys(running, keys[-1])
        _at_least(done.postgres.backup, done.postgres.rows)
        return Verified(
            postgres=done.postgres.backup.id,
            clickhouse=done.clickhouse.backup.id if done.clickhouse.backup else None,
            redis=keys[-1].id if keys else None,
            rows={**done.postgres.rows, **found},
            consistency=done.consistency,
        )


def _pages(place: Home) -> None:
    account = homes.prepare(place)
    program = embedded_postgres.programs(place, account) / "pg_checksums"
    command = [str(program), "--check", f"--pgdata={place.postgres / 'data'}"]
    programs.run(command, account=account, error=BackupDamaged)


def _counted(settings: Settings, backup: Manifest | None) -> dict[str, int]:
    client = store.connect(settings.clickhouse)
    try:
        for table in clickhouse.TABLES:
            _parts(client, table)
        counts = clickhouse.count(client)
    finally:
        client.close()
    if backup is not None:
        _at_least(backup, counts)
    return counts


def _parts(client: Client, table: str) -> None:
    """ClickHouse reads every part of the table and compares its checksums."""
    good = client.command(f"CHECK TABLE {table} SETTINGS check_query_single_value_result = 1")
    if str(good) != "1":
        raise BackupDamaged(f"{table} was restored with parts that do not have their checksums")


def _at_least(backup: Manifest, counts: Mapping[str, int]) -> None:
    for table, (before, _) in backup.rows.items():
        if table in counts and counts[table] < before:
            raise BackupDamaged(
                f"{table} was restored with {counts[table]} rows; there were {before} when"
                f" {backup.store} {backup.id} was begun"
            )


def _keys(settings: Settings, backup: Manifest) -> int:
    client = redis_store.connect(settings.redis)
    try:
        n = int(client.dbsize())  # pyright: ignore[reportArgumentType]
    finally:
        client.close()
    high = max(backup.rows["keys"])
    # Keys that have expired since are not loaded.
    if n > high:
        raise BackupDamaged(f"redis {backup.id} was restored with {n} keys; there were {high}")
    return n
