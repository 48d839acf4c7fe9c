"""`netra backup`: back the stores up, restore them to a point in time, prove that it works."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from msgspec.structs import replace

from netra import settings as configuration
from netra.cli import output
from netra.cli.stack import home_option
from netra.cli.values import Moment
from netra.embedded import home as homes
from netra.embedded import info, runfile
from netra.errors import InvalidInput, NetraError
from netra.settings import Settings

if TYPE_CHECKING:
    from netra.backup.consistency import Consistency
    from netra.backup.destination import Destination
    from netra.backup.manifest import Manifest

#: Exit code of a check that found something lost.
_LOST = 1


def _with_destination(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--at` and `--home`; passes `settings`, `destination` and the chosen `home`.

    A folder that is not there is an error, but for commands with an option `--create`.
    """

    @click.option("--at", "url", help="A folder, or s3://bucket/prefix. [NETRA_BACKUP_URL]")
    @home_option
    @wraps(command)
    def found(*args: Any, url: str | None, home: str | None, **kwargs: Any) -> Any:
        from netra.backup import destination

        own = configuration.current()
        chosen = homes.choose(home, own.embedded.home)
        place = destination.at(url or own.backup.url)
        create = kwargs.pop("create", None)
        if not create:
            place.refuse_if_missing(to_write=create is not None)
        return command(*args, settings=own, destination=place, home=chosen, **kwargs)

    return found


#: What each store's URL is called, in the order of the commands' words.
_URLS = {"postgres": "DATABASE_URL", "clickhouse": "CLICKHOUSE_URL", "redis": "REDIS_URL"}
#: The stores whose rows are compared with each other.
_COMPARED = ("postgres", "clickhouse")


def _running(settings: Settings, home: homes.Home, needed: Collection[str]) -> Settings:
    """Settings that reach the stores `needed`: those given, else those of the stack that runs here.

    Where any store is named by its URL, the stack that happens to run here is not meant, unless it
    was started with these URLs itself.
    """
    urls = {
        "postgres": settings.database.url,
        "clickhouse": settings.clickhouse.url,
        "redis": settings.redis.url,
    }
    given = {name for name, url in urls.items() if url}
    if given >= set(needed):
        _tell("; ".join(f"{name} at {_place(urls[name])}" for name in needed))
        return settings
    from netra.backup.home import settings_of

    running = runfile.is_running(home)
    started_with = set(runfile.read(home).given) if running else set[str]()
    lacking = " and ".join(_URLS[name] for name in needed if name not in given)
    if given and not (running and given <= started_with):
        raise InvalidInput(
            f"{' and '.join(_URLS[name] for name in urls if name in given)} names a store, and"
            f" {lacking} is not set: set it too, or unset the others to work with the stack that"
            " runs here"
        )
    found = info.of_home(home, settings) if running else None
    if found is None:
        raise InvalidInput(
            f"no stack runs in {home.path}, and {lacking} is not set: nothing to work with"
        )
    _tell(f"the stack that runs in {home.path}")
    return settings_of(found, settings)


def _place(url: str) -> str:
    """A store's address without user and password."""
    parts = urlsplit(url)
    return f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _tell(stores: str) -> None:
    """Which stores are worked with, to whoever looks: not a part of the answer."""
    click.echo(f"stores: {stores}", err=True)


_create = click.option("--create", is_flag=True, help="Begin a new folder of backups there.")


@click.group()
def backup() -> None:
    """Back the stores up, restore them to a point in time, prove that it works.

    They are kept where --at or NETRA_BACKUP_URL says: a folder, or s3://bucket/prefix.
    """


@backup.command()
@click.argument("store", type=click.Choice(["all", "postgres", "clickhouse", "redis"]))
@click.option("--incremental", is_flag=True, help="Only what the last full backup has not.")
@_create
@output.json_option
@_with_destination
def take(
    store: str,
    incremental: bool,
    as_json: bool,
    settings: Settings,
    destination: Destination,
    home: homes.Home,
) -> None:
    """Back STORE up, or all three, PostgreSQL first.

    Whatever fails makes the command fail, and leaves no manifest: what it left is no backup.
    """
    from netra.backup import clickhouse, owner, postgres, redis, scratch
    from netra.backup.sweep import sweep

    chosen = list(_URLS) if store == "all" else [store]
    reached = _running(settings, home, chosen)
    kind = "incremental" if incremental else "full"
    whose = owner.admitted(reached, destination, history="postgres" in chosen)
    takers: dict[str, Callable[[], Manifest]] = {
        "postgres": lambda: postgres.take(reached, destination, kind, owner.known(whose)),
        "clickhouse": lambda: clickhouse.take(reached, destination, kind, whose),
        "redis": lambda: redis.take(reached, destination, whose),
    }
    scratch.sweep(settings)
    sweep(destination)
    made: list[Manifest] = []
    for name in chosen:
        try:
            with destination.writing(name):
                made.append(takers[name]())
        except NetraError:
            # What it left would fill the destination at each further try.
            with suppress(NetraError):
                sweep(destination)
            raise
    output.emit(made, as_json, _table)


@backup.command()
@_create
@_with_destination
def follow(settings: Settings, destination: Destination, home: homes.Home) -> None:
    """Keep sending PostgreSQL's log and new rows of ClickHouse, until told to stop.

    Exit code 1: what was new at the end could not be sent.
    """
    from netra import metrics_server
    from netra.backup import scratch, standing
    from netra.backup.follow import Follower
    from netra.heartbeat import Heartbeat
    from netra.logging import configure

    configure("backup", settings.logging)
    folder, name = standing.place(settings, home)
    follower = Follower(
        _running(settings, home, _COMPARED),
        destination,
        Heartbeat(replace(settings.health, folder=str(folder)), name).beat,
        lambda now: standing.write(folder, name, now),
    )
    scratch.sweep(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: follower.stop.set())
    end = metrics_server.start(settings.metrics)
    try:
        sent = follower.run()
    finally:
        end()
    if not sent:
        click.get_current_context().exit(_LOST)


@backup.command("list")
@output.json_option
@_with_destination
def listing(as_json: bool, settings: Settings, destination: Destination, home: homes.Home) -> None:
    """Show the backups that are kept, oldest first."""
    from netra.backup import manifest

    found = [m for store in manifest.STORES for m in manifest.listed(destination, store)]
    output.emit(found, as_json, _table)


@backup.command()
@click.option("--hashes-only", is_flag=True, help="Compare hashes, and restore nothing.")
@output.json_option
@_with_destination
def verify(
    hashes_only: bool,
    as_json: bool,
    settings: Settings,
    destination: Destination,
    home: homes.Home,
) -> None:
    """Compare the hash of everything kept; then restore the newest into a scratch folder."""
    from netra.backup import verify as verification

    checked = verification.hashes(settings, destination)
    found = None if hashes_only else verification.restored(settings, destination)
    said = f"{checked.files} files of {checked.backups} backups have their hashes"
    said += f" ({output.size(checked.size_bytes)})"
    if found:
        said += f"; restored: postgres {found.postgres}, clickhouse {found.clickhouse or 'none'}"
        said += f", redis {found.redis or 'none'}; {_words(found.consistency)}"
    if checked.holes:
        said += "; the log has HOLES, and no time within one can be restored: "
        said += "; ".join(checked.holes)
    if checked.broken:
        said += "; the last is behind the newest backup: netra backup take postgres ends it"
    output.emit({"hashes": checked, "restored": found}, as_json, lambda _: said)
    if checked.broken or (found and not found.consistency.whole):
        click.get_current_context().exit(_LOST)


@backup.command()
@click.option("--until", type=Moment(), help="The time to restore (default: all there is).")
@click.option("--replace", is_flag=True, help="Move what is in the way aside.")
@click.option("--backup", "id", help="PostgreSQL's, by its id in netra backup list.")
@click.option("--clickhouse-backup", "rows_id", help="ClickHouse's, likewise.")
@click.option("--with-redis", is_flag=True, help="Put the last copy of Redis back, too.")
@output.json_option
@_with_destination
def restore(
    until: datetime | None,
    replace: bool,
    id: str | None,
    rows_id: str | None,
    with_redis: bool,
    as_json: bool,
    settings: Settings,
    destination: Destination,
    home: homes.Home,
) -> None:
    """Restore a one-machine stack that does not run; then start it with netra up."""
    from netra.backup import home as whole

    done = whole.restore(
        home,
        settings,
        destination,
        until=until,
        replace=replace,
        with_redis=with_redis,
        backup=id,
        clickhouse_backup=rows_id,
    )
    last = done.postgres.last_fact_at
    said = (
        f"restored into {home.path}: postgres {done.postgres.backup.id} and its log"
        f" (newest fact: {output.when(last)}), clickhouse"
        f" {done.clickhouse.backup.id if done.clickhouse.backup else 'none'} and"
        f" {done.clickhouse.rows_put_back} rows since; {_words(done.consistency)}"
    )
    if done.postgres.hole:
        said += f"; NOT ALL: {done.postgres.hole}"
    output.emit(done, as_json, lambda _: said)
    if done.postgres.hole or not done.consistency.whole:
        click.get_current_context().exit(_LOST)


@backup.command("restore-postgres")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--until", type=Moment(), help="The time to restore (default: all there is).")
@click.option("--backup", "id", help="The one to begin with, by its id in netra backup list.")
@output.json_option
@_with_destination
def restore_postgres(
    folder: Path,
    until: datetime | None,
    id: str | None,
    as_json: bool,
    settings: Settings,
    destination: Destination,
    home: homes.Home,
) -> None:
    """Restore PostgreSQL of a cluster into FOLDER, which becomes its data folder."""
    from netra.backup import programs, recovery
    from netra.embedded import account

    where = recovery.Where(
        cluster=folder.absolute(),
        programs=programs.folder(settings),
        account=account.unprivileged(),
    )
    chosen = recovery.choose(destination, until, id)
    done = recovery.restore(destination, where, until=until, backup=chosen)
    said = (
        f"restored into {folder}: {done.backup.id}, newest fact: {output.when(done.last_fact_at)}"
    )
    if done.hole:
        said += f"; NOT ALL: {done.hole}"
    output.emit(done, as_json, lambda _: said)
    if done.hole:
        click.get_current_context().exit(_LOST)


@backup.command("restore-clickhouse")
@click.option("--until", type=Moment(), help="The time PostgreSQL was restored to.")
@click.option("--backup", "id", help="The one to begin with, by its id in netra backup list.")
@output.json_option
@_with_destination
def restore_clickhouse(
    until: datetime | None,
    id: str | None,
    as_json: bool,
    settings: Settings,
    destination: Destination,
    home: homes.Home,
) -> None:
    """Restore ClickHouse, which runs and is empty, to what PostgreSQL knows."""
    from netra.backup import rebuild

    reached = _running(settings, home, _COMPARED)
    chosen = rebuild.choose(destination, until, id)
    done = rebuild.restore(reached, destination, until=until, backup=chosen)
    said = f"restored {done.backup.id if done.backup else 'none'}, {done.rows_put_back} rows since"
    output.emit(done, as_json, lambda _: said)


@backup.command()
@click.option(
    "--give-up", is_flag=True, help="Fail ingests whose rows are lost, so that files can be resent."
)
@home_option
@output.json_option
def check(give_up: bool, home: str | None, as_json: bool) -> None:
    """Whether ClickHouse has what PostgreSQL says is there. Exit code 1: something is lost."""
    from netra.backup import consistency

    own = configuration.current()
    reached = _running(own, homes.choose(home, own.embedded.home), _COMPARED)
    found = consistency.check(reached)
    if give_up and found.lost_ingests:
        consistency.give_up(reached, found.lost_ingests)
    output.emit(found, as_json, _words)
    if not found.whole:
        click.get_current_context().exit(_LOST)


@backup.command()
@click.option("--keep-days", type=int, help="[NETRA_BACKUP_KEEP_DAYS, 30]")
@_with_destination
def prune(
    keep_days: int | None, settings: Settings, destination: Destination, home: homes.Home
) -> None:
    """Delete what is older than the days to keep, and nothing that something younger needs."""
    from netra.backup import retention, scratch
    from netra.backup.sweep import sweep

    days = settings.backup.keep_days if keep_days is None else keep_days
    if days < 1:
        raise InvalidInput(
            f"--keep-days or NETRA_BACKUP_KEEP_DAYS is {days}: at least 1 day is kept; nothing was"
            " deleted"
        )
    scratch.sweep(settings)
    deleted = sweep(destination) + retention.prune(destination, datetime.now(UTC), days)
    output.stdout().print(f"{len(deleted)} files deleted")


def _table(found: list[Manifest]) -> Any:
    columns = ["store", "id", "kind", "complete at", "size", "schema"]
    # Of one server and one line of it, as it should be, nothing need be said.
    whose = [_whose(m) for m in found]
    several = len({w for w in whose if w}) > 1
    rows = output.table(*columns, *(["system, timeline"] if several else []), right=("size",))
    for m, own in zip(found, whose, strict=True):
        size = output.size(m.size_bytes)
        cells = [m.store, m.id, m.kind, output.when(m.ended_at), size, m.schema or "–"]
        rows.add_row(*cells, *([own or "–"] if several else []))
    return rows


def _whose(m: Manifest) -> str:
    """The PostgreSQL that a backup belongs to; empty if an earlier version did not write it."""
    at = m.position
    return f"{at['system']}, {at.get('timeline', '–')}" if "system" in at else ""


def _words(found: Consistency) -> str:
    said = f"{found.ingests} ingests with {found.rows} rows are as PostgreSQL says"
    if found.lost_ingests:
        named = ", ".join(f"{w.id} of workload {w.workload_id}" for w in found.lost_ingests)
        said = f"LOST rows of {len(found.lost_ingests)} of {found.ingests} ingests: {named}; then"
        said += " netra backup check --give-up, and send their files again"
    if found.lost_results:
        said += f"; LOST tables of {len(found.lost_results)} stages: run their jobs again"
    return said
