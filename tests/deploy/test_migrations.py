"""The schema goes up from every earlier revision and down again, with what is in it intact."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from netra.embedded.info import StackInfo
from netra.embedded.supervisor import running_stack
from netra.ids import new_id
from netra.settings import Settings, load
from netra.store import clickhouse, clickhouse_migrations, migrate, postgres
from netra.store.queue import Queue
from tests.conftest import settings_without_stores, temporary_home
from tests.deploy.backup import earlier
from tests.deploy.conftest import Proof
from tests.integration.bench import Bench

REVISIONS = earlier.revisions()


@pytest.fixture(scope="module")
def engines() -> Iterator[StackInfo]:
    with (
        temporary_home() as home,
        running_stack(home, ("postgres", "clickhouse"), settings_without_stores()) as info,
    ):
        yield info


def empty(engines: StackInfo, name: str) -> Settings:
    """Settings of a database of that name, which is made."""
    with psycopg.connect(engines.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = f"{engines.database_url.rpartition('/')[0]}/{name}"
    plain = load({**os.environ, **engines.environment})
    return msgspec.structs.replace(plain, database=msgspec.structs.replace(plain.database, url=url))


def fill(settings: Settings) -> None:
    """A row in every table that the first schema had, through the functions that it had."""
    with psycopg.connect(settings.database.url, autocommit=True) as c:
        c.execute("INSERT INTO tenants (id, weight) VALUES ('default', 1), ('other', 2)")
        c.execute("INSERT INTO api_keys (key_hash, tenant_id, name) VALUES ('h', 'other', 'k')")
        workload, batch = new_id(), new_id()
        c.execute(
            "INSERT INTO workloads (id, tenant_id, name) VALUES (%s, 'other', 'w')", [workload]
        )
        c.execute(
            "INSERT INTO ingests (id, tenant_id, workload_id, state, source_name, rows, events,"
            " duplicates) VALUES (%s, 'other', %s, 'visible', 's', 3, 2, 1)",
            [new_id(), workload],
        )
        c.execute("INSERT INTO batches (id, tenant_id, name) VALUES (%s, 'other', 'b')", [batch])
        c.execute(
            "INSERT INTO supply_rows (id, tenant_id, kind, name, effective_from, content)"
            " VALUES (%s, 'other', 'price', 'n', '2026-01-01', '{}')",
            [new_id()],
        )
        for tenant in ("default", "default", "other"):
            stages = [
                {"id": str(new_id()), "name": n, "agent": "noop", "pool": "cpu", "params": {}}
                | {"after": after, "limit_s": 60.0, "position": i}
                for i, (n, after) in enumerate([("a", []), ("b", ["a"])])
            ]
            job = {"id": str(new_id()), "tenant_id": tenant, "goal": {"x": 1}, "params": {}}
            job |= {"labels": {"l": "v"}, "priority": 5, "stage_count": 2, "stages": stages}
            c.execute("SELECT netra_submit(%s)", [Jsonb([job])])
        worker = new_id()
        c.execute(
            "INSERT INTO workers (id, pool, host, pid, concurrency, device)"
            " VALUES (%s, 'cpu', 'h', 1, 2, 'numpy')",
            [worker],
        )
        # Of three jobs one has a stage that is done and one that waits, one a stage that runs.
        c.execute("SELECT netra_admit('cpu', 0, 60, 60)")
        claims = [
            c.execute("SELECT netra_claim_next('cpu', %s, 1, 60)", [worker]).fetchone()
            for _ in range(2)
        ]
        stage = claims[0][0]["claim"] if "claim" in claims[0][0] else claims[0][0]
        c.execute(
            "SELECT netra_complete(%s, %s, '{}', '[]', NULL)",
            [stage.get("stage_id") or stage.get("id"), stage["fence"]],
        )


def content(settings: Settings, columns: dict[str, list[str]]) -> dict[str, list[Any]]:
    """The rows of every table, in those columns."""
    found: dict[str, list[Any]] = {}
    with psycopg.connect(settings.database.url) as c:
        for table, names in columns.items():
            listed = ", ".join(names)
            query = f"SELECT {listed} FROM {table} ORDER BY ({listed})::text"
            rows = c.execute(query.encode()).fetchall()
            found[table] = rows
    return found


def unsent(settings: Settings) -> set[tuple[Any, ...]]:
    """The facts that nobody has sent: told by a mark on each, since revision 0008 by the outbox."""
    waiting = "SELECT job_id, epoch, seq FROM facts WHERE NOT published"
    with psycopg.connect(settings.database.url) as c:
        if c.execute("SELECT to_regclass('outbox')").fetchone() != (None,):
            waiting = (
                "SELECT t.* FROM outbox, jsonb_to_recordset(outbox.facts::text::jsonb)"
                " AS t(job_id uuid, epoch int, seq bigint)"
            )
        return set(c.execute(waiting.encode()).fetchall())


def columns(settings: Settings) -> dict[str, list[str]]:
    """The columns of every table, but for the mark of sent facts: see `unsent`."""
    with psycopg.connect(settings.database.url, row_factory=dict_row) as c:
        rows = c.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name <> 'alembic_version'"
            " ORDER BY table_name, ordinal_position"
        ).fetchall()
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["column_name"] != "published":
            found.setdefault(row["table_name"], []).append(row["column_name"])
    return found


def shape(settings: Settings) -> list[Any]:
    """Columns, indexes and functions of the schema."""
    with psycopg.connect(settings.database.url) as c:
        return [
            c.execute(query.encode()).fetchall()
            for query in (
                "SELECT table_name, column_name, data_type, is_nullable, column_default"
                " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
                "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
                "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
                " ORDER BY 1, 2",
            )
        ]


def test_every_earlier_revision_goes_up_and_down_with_its_rows(
    engines: StackInfo, proof: Proof
) -> None:
    for revision in REVISIONS[:-1]:
        settings = empty(engines, f"from_{revision}")
        migrate.migrate_postgres(settings, revision)
        fill(settings)
        had, before = columns(settings), shape(settings)
        rows, waiting = content(settings, had), unsent(settings)
        assert waiting
        assert all(rows[table] for table in ("jobs", "stages", "facts", "stage_results"))
        migrate.migrate_postgres(settings)
        assert content(settings, had) == rows, f"{revision} → {REVISIONS[-1]}"
        assert unsent(settings) == waiting
        after = shape(settings)
        migrate.migrate_postgres(settings)
        assert shape(settings) == after, "a second time changes nothing"
        migrate.migrate_postgres(settings, revision)
        assert content(settings, had) == rows, f"{REVISIONS[-1]} → {revision}"
        assert unsent(settings) == waiting
        assert shape(settings) == before, f"{revision} is what it was"
        migrate.migrate_postgres(settings)
        assert shape(settings) == after
        _finish_jobs(settings)
    tables = len(had)
    proof(
        f"migrations: from each of {len(REVISIONS) - 1} earlier revisions up, down and up again:"
        f" rows of {tables} tables intact, unsent facts still to be sent, and the jobs that were"
        " under way ended"
    )


def _finish_jobs(settings: Settings) -> None:
    with postgres.connect(settings.database, "test") as pg:
        pg.execute("UPDATE stages SET lease_until = now() - interval '1 s' WHERE state = 'running'")
        bench = Bench(settings, Queue(pg))
        bench.slots(4)
        bench.reap()
        for _ in range(10):
            for message in bench.admit():
                if claim := bench.claim(message):
                    bench.complete(claim)
        assert pg.execute(
            "SELECT count(*) AS n FROM jobs WHERE state <> 'succeeded'"
        ).fetchone() == {"n": 0}


def test_two_hosts_may_migrate_at_once(engines: StackInfo, proof: Proof) -> None:
    settings = empty(engines, "at_once")
    environ = {
        **os.environ,
        **engines.environment,
        "DATABASE_URL": settings.database.url,
        "CLICKHOUSE_URL": f"{engines.clickhouse_url.rpartition('/')[0]}/at_once",
    }
    clickhouse.connect(load(environ).clickhouse).close()
    commands = [
        subprocess.Popen(
            [sys.executable, "-m", "netra.store.migrate"],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(3)
    ]
    for process in commands:
        said, _ = process.communicate(timeout=100)
        assert process.returncode == 0, said
    with psycopg.connect(settings.database.url) as c:
        found = c.execute("SELECT version_num FROM alembic_version").fetchall()
    assert found == [(REVISIONS[-1],)]
    proof("migrations: three started at once, one after the other took effect")


def run_migrate(environ: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "netra.store.migrate", *arguments],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=100)
    return process.returncode, said


def test_the_command_takes_the_schema_back_and_brings_it_again(
    engines: StackInfo, proof: Proof
) -> None:
    """docs/runbooks/rollback.md, "Schema"."""
    settings = empty(engines, "back")
    environ = {
        **os.environ,
        "DATABASE_URL": settings.database.url,
        "CLICKHOUSE_URL": f"{engines.clickhouse_url.rpartition('/')[0]}/back",
    }

    def at() -> str:
        with psycopg.connect(settings.database.url) as c:
            row = c.execute("SELECT version_num FROM alembic_version").fetchone()
            return row[0] if row else ""

    assert ended(run_migrate(environ))[0] == 0
    newest = shape(settings)
    earlier_one = REVISIONS[-2]
    code, said = ended(run_migrate(environ, "--to", earlier_one))
    assert (code, at()) == (0, earlier_one), said
    assert f"PostgreSQL is at revision {earlier_one}; ClickHouse stays as it is" in said
    client = clickhouse.connect(load(environ).clickhouse)
    assert clickhouse_migrations.pending(client) == []
    client.close()
    assert ended(run_migrate(environ, "--to", REVISIONS[-1]))[0] == 0
    assert at() == REVISIONS[-1]
    assert shape(settings) == newest
    for wrong in (["--to", "0042"], ["--downgrade"], ["help"]):
        code, said = ended(run_migrate(environ, *wrong))
        assert (code, at()) == (2, REVISIONS[-1]), said
    code, said = ended(run_migrate(environ, "--help"))
    assert code == 0
    assert "--to REVISION" in said
    proof(f"migrations: the command goes to {earlier_one} and back, and refuses what it knows not")


def test_migrations_wait_for_stores_that_come_later(engines: StackInfo) -> None:
    """As in a cluster on the first day, whose Job may start before the stores do."""
    settings = empty(engines, "later")
    real = settings.database.url
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    parts = urlsplit(real)
    environ = {
        **os.environ,
        "DATABASE_URL": real.replace(f":{parts.port}/", f":{port}/"),
        "CLICKHOUSE_URL": f"{engines.clickhouse_url.rpartition('/')[0]}/later",
    }
    code, said = ended(run_migrate(environ, "--wait", "1.5"))
    assert code == 1
    (line,) = said.splitlines()
    assert json.loads(line)["message"].startswith("PostgreSQL does not answer")
    assert "traceback" not in json.loads(line)
    waiting = run_migrate(environ, "--wait", "90")
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(3)
    with relay(port, (parts.hostname or "", parts.port or 0)):
        code, said = ended(waiting)
    assert code == 0, said
    with psycopg.connect(real) as c:
        assert c.execute("SELECT version_num FROM alembic_version").fetchone() == (REVISIONS[-1],)


@contextmanager
def relay(port: int, to: tuple[str, int]) -> Iterator[None]:
    """Hands connections to `port` on to another address, as a Service does once there are pods."""

    class Pair(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(to) as far:
                back = threading.Thread(target=copied, args=(far, self.request), daemon=True)
                back.start()
                copied(self.request, far)
                back.join(10)

    def copied(source: socket.socket, sink: socket.socket) -> None:
        while block := source.recv(65536):
            sink.sendall(block)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    with socketserver.ThreadingTCPServer(("127.0.0.1", port), Pair) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.1,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_clickhouse_goes_up_from_every_earlier_state(engines: StackInfo, proof: Proof) -> None:
    scripts = sorted(clickhouse_migrations.SCRIPTS.glob("*.sql"))
    for n in range(1, len(scripts)):
        url = f"{engines.clickhouse_url.rpartition('/')[0]}/from_{n}"
        client = clickhouse.connect(load({**os.environ, "CLICKHOUSE_URL": url}).clickhouse)
        client.command(clickhouse_migrations._VERSIONS)
        for path in scripts[:n]:
            for statement in clickhouse_migrations.statements(path.read_text()):
                client.command(statement)
            client.insert("schema_migrations", [[path.stem]], ["version"])
        client.command(
            "INSERT INTO workload_events (tenant_id, workload_id, ingest_id, row, event_id, ts,"
            " model) SELECT 'default', generateUUIDv4(), generateUUIDv4(), number,"
            " toString(number), now64(6), 'm' FROM numbers(1000)"
        )
        had = client.query("SELECT count(), sum(cityHash64(*)) FROM workload_events").result_rows
        assert len(clickhouse_migrations.migrate(client)) == len(scripts) - n
        now = client.query("SELECT count(), sum(cityHash64(*)) FROM workload_events").result_rows
        assert now == had
        assert clickhouse_migrations.migrate(client) == []
        client.close()
    proof(f"migrations: ClickHouse from each of {len(scripts) - 1} earlier states, rows intact")
