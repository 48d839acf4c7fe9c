"""The stores: reachable with their passwords, migrated, and set up to lose nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from netra.cli.checks.check import Check, Subject
from netra.store import clickhouse as clickhouse_store
from netra.store import clickhouse_migrations, migrate
from netra.store import postgres as postgres_store
from netra.store import redis as redis_store

_NOT_RUNNING = "no stack runs here, and the settings name no stores"
#: More than this between two clocks shows in the order of events, seconds.
_SKEW_S = 1.0


def postgres(on: Subject) -> Iterator[Check]:
    if not on.has_stores:
        yield Check(name="postgres", state="skip", found=_NOT_RUNNING, mend="netra up")
        return
    with postgres_store.connect(on.settings.database, "doctor") as connection:

        def value(query: Any) -> Any:
            row = connection.execute(query).fetchone()
            return next(iter(row.values())) if row else None

        version = value("SHOW server_version")
        yield Check(name="postgres", state="ok", found=f"PostgreSQL {version}, password accepted")
        yield _clock("postgres clock", value("SELECT extract(epoch FROM clock_timestamp())"))
        has_table = value("SELECT to_regclass('alembic_version') IS NOT NULL")
        revision = value("SELECT version_num FROM alembic_version") if has_table else None
        yield _migrated("postgres", revision, migrate.head())
        durable = value("SHOW fsync") == "on" and value("SHOW synchronous_commit") != "off"
        yield Check(
            name="postgres durability",
            state="ok" if durable else "fail",
            found="fsync on" if durable else "fsync or synchronous_commit is off",
            mend="" if durable else "turn both on: jobs would be lost in a crash",
        )
        if revision:
            yield from _workers(connection, on)


def valkey(on: Subject) -> Iterator[Check]:
    if not on.has_stores:
        yield Check(name="valkey", state="skip", found=_NOT_RUNNING, mend="netra up")
        return
    with redis_store.connect(on.settings.redis) as client:
        client.ping()
        server: Any = client.info("server")
        version = server.get("valkey_version") or server["redis_version"]
        yield Check(name="valkey", state="ok", found=f"version {version}, password accepted")
        seconds, micros = client.time()  # pyright: ignore[reportGeneralTypeIssues]
        yield _clock("valkey clock", seconds + micros / 1e6)
        memory: Any = client.info("memory")
        policy = memory["maxmemory_policy"]
        kept = policy == "noeviction"
        yield Check(
            name="valkey eviction",
            state="ok" if kept else "fail",
            found=f"maxmemory-policy {policy}",
            mend="" if kept else "set it to noeviction: dropping a broker's keys delays jobs",
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
    if not on.has_stores:
        yield Check(name="clickhouse", state="skip", found=_NOT_RUNNING, mend="netra up")
        return
    client = clickhouse_store.connect(on.settings.clickhouse)
    try:
        found = f"ClickHouse {client.server_version}, password accepted"
        yield Check(name="clickhouse", state="ok", found=found)
        now = client.query("SELECT toFloat64(now64(6))").result_rows[0][0]
        yield _clock("clickhouse clock", now)
        pending = clickhouse_migrations.pending(client)
        yield _migrated("clickhouse", None if pending else "newest", "newest", pending)
    finally:
        client.close()


def _workers(connection: postgres_store.Connection, on: Subject) -> Iterator[Check]:
    """Each pool's workers, by the age of their heartbeats on the database's clock."""
    rows = connection.execute(
        "SELECT pool, count(*) AS workers, sum(concurrency) AS slots FROM workers"
        " WHERE heartbeat_at > now() - make_interval(secs => %s) GROUP BY pool",
        [on.settings.queue.worker_stale_s],
    ).fetchall()
    living = {row["pool"]: row for row in rows}
    for pool in ("cpu", "gpu"):
        row = living.get(pool)
        found = (
            f"{row['workers']} alive with {row['slots']} slots"
            if row
            else f"none has given a sign of life for {on.settings.queue.worker_stale_s:g} s"
        )
        mend = "" if row else f"jobs wait until one runs: see logs/worker-{pool}.log"
        yield Check(name=f"workers {pool}", state="ok" if row else "warn", found=found, mend=mend)


def _migrated(
    store: str, current: str | None, newest: str, pending: list[str] | None = None
) -> Check:
    name = f"{store} migrations"
    if current == newest:
        return Check(name=name, state="ok", found="at the newest")
    found = f"missing: {', '.join(pending)}" if pending else f"at {current}, newest is {newest}"
    return Check(name=name, state="fail", found=found, mend="python -m netra.store.migrate")


def _clock(name: str, epoch_s: float) -> Check:
    skew = float(epoch_s) - time.time()
    well = abs(skew) <= _SKEW_S
    here = datetime.now(UTC).strftime("%H:%M:%S")
    return Check(
        name=name,
        state="ok" if well else "warn",
        found=f"{skew * 1000:+.0f} ms from this machine's ({here} UTC)",
        mend="" if well else "let both machines keep time by NTP",
    )
