"""Writes to each store and reads it back; finds processes."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import clickhouse_connect
import psutil
import psycopg
import redis

from netra.embedded.info import StackInfo


def write_postgres(info: StackInfo, value: int) -> None:
    with psycopg.connect(info.database_url, autocommit=True) as c:
        c.execute("CREATE TABLE IF NOT EXISTS probe (v int)")
        c.execute("INSERT INTO probe VALUES (%s)", [value])


def read_postgres(info: StackInfo) -> list[int]:
    with psycopg.connect(info.database_url, connect_timeout=3) as c:
        return sorted(v for (v,) in c.execute("SELECT v FROM probe"))


def write_valkey(info: StackInfo, value: int) -> None:
    with redis.Redis.from_url(info.redis_url) as client:
        client.rpush("probe", value)
        # Once the append-only file is synced, the value is there after any crash.
        assert client.waitaof(1, 0, 5000) == [1, 0]


def read_valkey(info: StackInfo) -> list[int]:
    with redis.Redis.from_url(info.redis_url, socket_timeout=3) as client:
        return sorted(int(v) for v in client.lrange("probe", 0, -1))  # pyright: ignore


def write_clickhouse(info: StackInfo, value: int) -> None:
    with clickhouse_connect.get_client(dsn=_without_database(info)) as client:
        columns = "(v Int64) ENGINE = MergeTree ORDER BY v"
        client.command(f"CREATE TABLE IF NOT EXISTS default.probe {columns}")
        client.insert("default.probe", [[value]], column_names=["v"])


def read_clickhouse(info: StackInfo) -> list[int]:
    with clickhouse_connect.get_client(dsn=_without_database(info)) as client:
        return [v for (v,) in client.query("SELECT v FROM default.probe ORDER BY v").result_rows]


WRITE = {"postgres": write_postgres, "valkey": write_valkey, "clickhouse": write_clickhouse}
READ = {"postgres": read_postgres, "valkey": read_valkey, "clickhouse": read_clickhouse}


def _without_database(info: StackInfo) -> str:
    return info.clickhouse_url.removesuffix("/netra")


def lives(pid: int) -> bool:
    """Whether a process runs; one that only waits to be buried does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_of(home: Path) -> list[str]:
    """Everything that runs on a home: by its command line, folder or environment."""
    found: list[str] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            said = " ".join(process.cmdline())
            if str(home) in said or process.cwd().startswith(str(home)):
                found.append(f"{process.pid} {process.name()} {said}")
    return found


def link(source: str, target: str) -> None:
    """Copies a file without its content where the file system allows that."""
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)
