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
from netra.backup.hashes import Hashes
from netra.backup.manifest import Manifest
from netra.backup.rebuild import Rebuilt
from netra.backup.recovery import Recovered, Where
from netra.backup.scratch import scratch
from netra.embedded import home as homes
from netra.embedded import lock, postgres, secrets, unfinished
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
    backup: str | None = None,
    clickhouse_backup: str | None = None,
) -> Restored:
    """Restores the stack's stores, which must not run, into its folder.

    It begins with the last backups that were complete then, or with those of these ids (`backup`
    is PostgreSQL's). `replace` moves what is in the way aside, and deletes nothing. Redis begins
    empty unless `with_redis` puts its last copy back: after a restore to an earlier time it would
    announce what PostgreSQL does not know.

    Raises:
        RestoreRefused: something would be overwritten, or what is kept does not reach `until`.
        BackupDamaged: a file is not the one that was written.
        NetraError: a store did not come up with it. Until a restore has ended, the home is marked
            as unfinished: it does not start, and the next restore begins anew.
    """
    account = homes.prepare(home)
    where = Where(
        cluster=home.postgres / "data",
        programs=postgres.programs(home, account),
        account=account,
    )
    begun = recovery.choose(destination, until, backup)
    system = begun.position["system"]
    rows_of = rebuild.choose(destination, until, clickhouse_backup, system=system)
    with _to_itself(home):
        again = unfinished.found(home) is not None
        if not again and not replace:
            _refuse_if_used(home)
        _check(settings, destination, where, begun, rows_of, until, with_redis=with_redis)
        _make_room(home, again)
        unfinished.mark(home, destination.url)
        kept = secrets.ensure(home.secrets)
        recovered = recovery.restore(
            destination, where, until=until, backup=begun, password=kept.postgres_password
        )
        if with_redis:
            _restore_redis(home, destination)
    settled = home.ports.exists()
    with stores(home, settings, ("postgres", "clickhouse"), restoring=True) as running:
        rebuilt = rebuild.restore(running, destination, until=until, backup=rows_of, checked=True)
        compared = consistency.check(running)
    if not settled:
        # Chosen for these few seconds: the stack takes its usual ones, if they are free then.
        home.ports.unlink()
    unfinished.clear(home)
    return Restored(postgres=recovered, clickhouse=rebuilt, consistency=compared)


@contextmanager
def _to_itself(home: Home) -> Iterator[None]:
    """The home's lock, for the length of the block. Raises RestoreRefused if the stack runs."""
    try:
        with lock.held(home.lock):
            yield
    except lock.AlreadyRunning as e:
        raise RestoreRefused(
            f"the stack in {home.path} runs: stop it first, with netra down ({e.detail})"
        ) from e


def _check(
    settings: Settings,
    destination: Destination,
    where: Where,
    begun: Manifest,
    rows_of: Manifest | None,
    until: datetime | None,
    *,
    with_redis: bool,
) -> None:
    """Everything of all stores, before the first byte of any is written."""
    with scratch(settings) as folder:
        recovery.check(destination, where, begun, until, folder)
        if with_redis:
            Hashes(destination, folder).of_backups([_last_of_redis(destination)])
    rebuild.check(settings, destination, rows_of)


@contextmanager
def stores(
    home: Home, settings: Settings, names: Collection[str], *, restoring: bool = False
) -> Iterator[Settings]:
    """Runs stores of the home for the length of the block; settings to reach them."""
    own = msgspec.structs.replace(
        settings,
        database=msgspec.structs.replace(settings.database, url=""),
        redis=msgspec.structs.replace(settings.redis, url=""),
        clickhouse=msgspec.structs.replace(settings.clickhouse, url=""),
        backup=msgspec.structs.replace(settings.backup, clickhouse_folder=""),
    )
    with running_stack(home.path, names, own, restoring=restoring) as info:
        yield settings_of(info, own)


def _refuse_if_used(home: Home) -> None:
    if used := _used(home):
        named = ", ".join(map(str, used))
        raise RestoreRefused(
            f"not empty: {named}; nothing is overwritten: move them away, or let the restore do so"
            " with --replace"
        )


def _make_room(home: Home, again: bool) -> None:
    """Moves what is there aside; what a restore left that has not ended (`again`) is removed."""
    for path in _used(home):
        if again:
            shutil.rmtree(path)
        else:
            path.rename(path.with_name(f"{path.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"))


def _used(home: Home) -> list[Path]:
    return [p for p in _folders(home) if p.exists() and any(p.iterdir())]


def _folders(home: Home) -> tuple[Path, ...]:
    return (home.postgres / "data", home.clickhouse / "data", home.valkey / "appendonlydir")


def _last_of_redis(destination: Destination) -> Manifest:
    found = manifest.listed(destination, redis.STORE)
    if not found:
        raise RestoreRefused(f"{destination.url} has no backup of Redis")
    return found[-1]


def _restore_redis(home: Home, destination: Destination) -> None:
    folder = home.valkey / "appendonlydir"
    folder.mkdir(mode=0o700, exist_ok=True)
    manifest.fetch(destination, _last_of_redis(destination), folder)
    place(folder)


def place(folder: Path) -> None:
    """Makes the copy in a folder what a server with an append-only file begins with."""
    base = folder / "appendonly.aof.1.base.rdb"
    shutil.move(folder / redis.FILE, base)
    (folder / "appendonly.aof.manifest").write_text(f"file {base.name} seq 1 type b\n")
    os.chmod(base, 0o600)
