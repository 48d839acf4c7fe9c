"""Backs the one-machine stack up and restores it: its folder knows everything but the URLs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from netra.backup import consistency, manifest, rebuild, recovery, redis
from netra.backup.consistency import Consistency
from netra.backup.destination import Destination
from netra.backup.errors import RestoreRefused
from netra.backup.rebuild import Rebuilt
from netra.backup.recovery import Recovered, Where
from netra.embedded import home as homes
from netra.embedded import lock, postgres, secrets
from netra.embedded.clickhouse.engine import BACKUPS
from netra.embedded.home import Home
from netra.embedded.info import StackInfo
from netra.embedded.supervisor import running_stack
from netra.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a restore of a whole stack gave."""

    postgres: Recovered
    clickhouse: Rebuilt
    consistency: Consistency


def settings_of(info: StackInfo, settings: Settings) -> Settings:
    """The settings of a process that backs the stack up, while it runs."""
    replace = msgspec.structs.replace
    folder = settings.backup.clickhouse_folder or str(info.home / "clickhouse" / BACKUPS)
    return replace(
        settings,
        database=replace(settings.database, url=info.database_url),
        redis=replace(settings.redis, url=info.redis_url),
        clickhouse=replace(settings.clickhouse, url=info.clickhouse_url),
        backup=replace(settings.backup, clickhouse_folder=folder),
    )


def restore(
    home: Home,
    settings: Settings,
    destination: Destination,
    *,
    until: datetime | None = None,
    replace: bool = False,
    with_redis: bool = False,
) -> Restored:
    """Restores the stack's stores, which must not run, into its folder.

    `replace` moves what is in the way aside, and deletes nothing. Redis begins empty unless
    `with_redis` puts its last copy back: after a restore to an earlier time it would announce what
    PostgreSQL does not know.

    Raises:
        RestoreRefused: something would be overwritten, or what is kept does not reach `until`.
        BackupDamaged: a file is not the one that was written.
        AlreadyRunning: the stack runs.
    """
    account = homes.prepare(home)
    with lock.held(home.lock):
        _make_room(home, replace)
        kept = secrets.ensure(home.secrets)
        where = Where(
            cluster=home.postgres / "data",
            programs=postgres.programs(home, account),
            account=account,
        )
        recovered = recovery.restore(
            destination, where, until=until, password=kept.postgres_password
        )
        if with_redis:
            _restore_redis(home, destination)
    with stores(home, settings, ("postgres", "clickhouse")) as running:
        rebuilt = rebuild.restore(running, destination, until=until)
        return Restored(
            postgres=recovered, clickhouse=rebuilt, consistency=consistency.check(running)
        )


@contextmanager
def stores(home: Home, settings: Settings, names: Collection[str]) -> Iterator[Settings]:
    """Runs stores of the home for the length of the block; settings to reach them."""
    own = msgspec.structs.replace(
        settings,
        database=msgspec.structs.replace(settings.database, url=""),
        redis=msgspec.structs.replace(settings.redis, url=""),
        clickhouse=msgspec.structs.replace(settings.clickhouse, url=""),
        backup=msgspec.structs.replace(settings.backup, clickhouse_folder=""),
    )
    with running_stack(home.path, names, own) as info:
        yield settings_of(info, own)


def _make_room(home: Home, replace: bool) -> None:
    used = [p for p in _folders(home) if p.exists() and any(p.iterdir())]
    if used and not replace:
        named = ", ".join(map(str, used))
        raise RestoreRefused(
            f"not empty: {named}; nothing is overwritten: move them away, or let the restore do so"
            " with --replace"
        )
    for path in used:
        path.rename(path.with_name(f"{path.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"))


def _folders(home: Home) -> tuple[Path, ...]:
    return (home.postgres / "data", home.clickhouse / "data", home.valkey / "appendonlydir")


def _restore_redis(home: Home, destination: Destination) -> None:
    found = manifest.listed(destination, redis.STORE)
    if not found:
        raise RestoreRefused(f"{destination.url} has no backup of Redis")
    folder = home.valkey / "appendonlydir"
    folder.mkdir(mode=0o700)
    manifest.fetch(destination, found[-1], folder)
    place(folder)


def place(folder: Path) -> None:
    """Makes the copy in a folder what a server with an append-only file begins with."""
    base = folder / "appendonly.aof.1.base.rdb"
    shutil.move(folder / redis.FILE, base)
    (folder / "appendonly.aof.manifest").write_text(f"file {base.name} seq 1 type b\n")
    os.chmod(base, 0o600)
