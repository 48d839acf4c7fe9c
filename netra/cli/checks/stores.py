"""The stores: reachable with their passwords, migrated, and set up to lose nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from netra.cli.checks.check import Check, Subject
from netra.embedded import given, runfile
from netra.errors import StoreUnavailable
from netra.store import clickhouse_http, clickhouse_migrations, operating, revisions
from netra.store import postgres as postgres_store
from netra.store import redis as redis_store

#: Above this share of what is allowed, a store soon refuses, of connections and of memory.
_NEARLY_FULL = 0.9


def postgres(on: Subject) -> Iterator[Check]:
    if not on.settings.database.url:
        yield _not_given("postgres", "DATABASE_URL")
        return
    try:
        connection = postgres_store.connect(on.settings.database, "doctor")
    except StoreUnavailable as e:
        yield _unreachable("postgres", "DATABASE_URL", on.settings.database.url, e.detail)
        return
    with connection:

        def value(query: Any) -> Any:
            row = connection.execute(query).fetchone()
            return next(iter(row.values())) if row else None

        version = value("SHOW server_version")
        yield Check(name="postgres", state="ok", found=f"PostgreSQL {version}, password accepted")
        has_table = value("SELECT to_regclass('alembic_version') IS NOT NULL")
        current = value("SELECT version_num FROM alembic_version") if has_table else None
        yield _revision(current, on)
        durable = value("SHOW fsync") == "on" and value("SHOW synchronous_commit") != "off"
        yield Check(
            name="postgres durability",
            state="ok" if durable else "fail",
            found="fsync on" if durable else "fsync or synchronous_commit is off",
            mend="" if durable else "turn both on: jobs would be lost in a crash",
        )
        used = value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        allowed = value("SELECT current_setting('max_connections')::int")
        full = used > _NEARLY_FULL * allowed
        yield Check(
            name="postgres connections",
            state="warn" if full else "ok",
            found=f"{used} of {allowed}",
            mend="netra admin connections says whose; see docs/tuning.md" if full else "",
        )
        yield _slots(operating.unread_slots(connection))


def _slots(unread: dict[str, int]) -> Check:
    """For a slot that nobody reads, PostgreSQL keeps its log until a limit or the disk ends it."""
    name = "postgres slots"
    if not unread:
        return Check(name=name, state="ok", found="no replication slot is without a reader")
    kept = ", ".join(f"{slot} ({held / 1e6:.0f} MB of log kept)" for slot, held in unread.items())
    return Check(
        name=name,
        state="warn",
        found=f"nobody reads {kept}",
        mend="start netra backup follow, or the replica, again; docs/runbooks/troubleshooting.md",
    )


def _not_given(name: str, variable: str) -> Check:
    found = f"no stack runs here, and {variable} is not set"
    return Check(name=name, state="skip", found=found)


def _migrate(on: Subject) -> str:
    """What brings the schema to the newest: a stack here knows its stores' passwords by itself."""
    if not on.running:
        return "python -m netra.store.migrate"
    home = shlex.quote(str(on.home.path))
    again = f"netra down --home {home} && netra up --detach --home {home}"
    stores = runfile.read(on.home).given
    variables = " and ".join(given.VARIABLES[store] for store in stores)
    return f"{again}, with {variables} set as before" if variables else again


def _revision(current: str | None, on: Subject) -> Check:
    name, known = "postgres migrations", revisions.known()
    if current == known[-1]:
        return Check(name=name, state="ok", found=f"at the newest, {current}")
    if current is None:
        found, mend = "the database has no schema yet", _migrate(on)
    elif current in known:
        missing = known[known.index(current) + 1 :]
        found = f"at {current}; missing: {', '.join(missing)}"
        mend = f"back up, then: {_migrate(on)}"
    else:
        found = f"at {current}, which this version of Netra does not know (its newest: {known[-1]})"
        mend = (
            "run the newer version that migrated it, or downgrade with that version:"
            " docs/runbooks/rollback.md"
        )
    return Check(name=name, state="fail", found=found, mend=mend)


def valkey(on: Subject) -> Iterator[Check]:
    if not on.settings.redis.url:
        yield _not_given("valkey", "REDIS_URL")
        return
    from redis.exceptions import RedisError

    with redis_store.connect(on.settings.redis) as client:
        try:
            client.ping()
        except (RedisError, OSError) as e:
            yield _unreachable("valkey", "REDIS_URL", on.settings.redis.url, str(e))
            return
        server: Any = client.info("server")
        version = server.get("valkey_version") or server["redis_version"]
        yield Check(name="valkey", state="ok", found=f"version {version}, password accepted")
        memory: Any = client.info("memory")
        policy = memory["maxmemory_policy"]
        kept = policy == "noeviction"
        yield Check(
            name="valkey eviction",
            state="ok" if kept else "fail",
            found=f"maxmemory-policy is {policy}: under pressure it drops queued wake-ups"
            if not kept
            else f"maxmemory-policy {policy}",
            mend="" if kept else "CONFIG SET maxmemory-policy noeviction, and set it in its file",
        )
        used, most = memory["used_memory"], memory["maxmemory"]
        full = bool(most) and used > _NEARLY_FULL * most
        yield Check(
            name="valkey memory",
            state="warn" if full else "ok",
            found=f"{used / 1e6:.0f} MB of {most / 1e6:.0f} MB" if most else f"{used / 1e6:.0f} MB",
            mend="raise maxmemory: a full one refuses wake-ups and news" if full else "",
        )
        saved: Any = client.info("persistence")
        on_disk = bool(saved["aof_enabled"])
        yield Check(
            name="valkey persistence",
            state="ok" if on_disk else "warn",
            found="append-only file on" if on_disk else "append-only file off",
            mend="" if on_disk else "set appendonly yes: a restart forgets what it held",
        )


def clickhouse(on: Subject) -> Iterator[Check]:
    if not on.settings.clickhouse.url:
        yield _not_given("clickhouse", "CLICKHOUSE_URL")
        return
    settings = on.settings.clickhouse

    def ask(statement: str) -> list[list[str]]:
        return clickhouse_http.ask(settings, statement)

    try:
        version = ask("SELECT version()")[0][0]
    except (StoreUnavailable, clickhouse_http.Refused) as e:
        yield _unreachable("clickhouse", "CLICKHOUSE_URL", settings.url, e.detail)
        return
    yield Check(name="clickhouse", state="ok", found=f"ClickHouse {version}, password accepted")
    if ask("EXISTS TABLE schema_migrations") == [["1"]]:
        applied = {row[0] for row in ask("SELECT version FROM schema_migrations")}
    else:
        applied = set[str]()
    scripts = sorted(path.stem for path in clickhouse_migrations.SCRIPTS.glob("*.sql"))
    missing = [name for name in scripts if name not in applied]
    unknown = sorted(applied - set(scripts))
    found = f"missing: {', '.join(missing)}" if missing else f"at the newest, {scripts[-1]}"
    if unknown and not missing:
        found = f"holds {', '.join(unknown)}, which this version of Netra does not know"
    yield Check(
        name="clickhouse migrations",
        state="fail" if missing else "warn" if unknown else "ok",
        found=found,
        mend=_migrate(on)
        if missing
        else "an older version runs on a newer schema: roll it forward when you can"
        if unknown
        else "",
    )


#: Words that tell causes apart. The drivers give no code for a connection that was never made.
_CAUSES = (
    (
        (
            *("password authentication failed", "no password supplied"),
            *("WRONGPASS", "NOAUTH", "invalid username", "Authentication required"),
            *("Code: 516", "AUTHENTICATION_FAILED", "Authentication failed"),
        ),
        "it refuses the password",
        "give the right user and password in {variable}; after a rotation restart what has the old",
    ),
    (
        ("too many clients", "remaining connection slots", "max number of clients"),
        "it has no connection left",
        "netra admin connections says whose they are; raise the limit or lower pool sizes",
    ),
    (
        ("does not exist", "UNKNOWN_DATABASE"),
        "it has no such database",
        "name the right database in {variable}, or create it",
    ),
    (
        ("starting up", "shutting down", "in recovery", "LOADING"),
        "it is starting or stopping",
        "wait; if it does not end, read its log",
    ),
)


def _unreachable(name: str, variable: str, url: str, said: str) -> Check:
    """Why a store cannot be used, as far as its driver's words tell."""
    parts = urlsplit(url)
    at = parts.netloc.rpartition("@")[2]
    words = " ".join(said.split())[:300]
    for signs, cause, mend in _CAUSES:
        if any(sign in said for sign in signs):
            found = f"{cause} ({at}): {words}"
            return Check(name=name, state="fail", found=found, mend=mend.format(variable=variable))
    return Check(
        name=name,
        state="fail",
        found=f"down or unreachable at {at}: {words}",
        mend=f"start it (netra up; on a cluster: its pod, disk, network policy); check {variable}",
    )
