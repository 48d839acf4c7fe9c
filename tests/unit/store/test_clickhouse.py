"""Migration scripts are cut into statements; reads are repeated while ClickHouse is away."""

from __future__ import annotations

import time

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from netra.errors import StoreUnavailable
from netra.store import clickhouse_migrations
from netra.store.clickhouse import patiently, unavailable


def test_statements_without_comments() -> None:
    script = "-- a; comment\nCREATE TABLE a\n(\n  x Int8 -- y\n);\n\n  -- b\nDROP TABLE c;\n"
    assert clickhouse_migrations.statements(script) == [
        "CREATE TABLE a\n(\n  x Int8 -- y\n)",
        "DROP TABLE c",
    ]


def test_every_migration_may_run_twice() -> None:
    scripts = sorted(clickhouse_migrations.SCRIPTS.glob("*.sql"))
    assert [path.name[:4] for path in scripts] == [f"{i + 1:04}" for i in range(len(scripts))]
    for path in scripts:
        for statement in clickhouse_migrations.statements(path.read_text()):
            assert "IF NOT EXISTS" in statement or "IF EXISTS" in statement


def test_a_read_is_asked_again_until_it_is_answered() -> None:
    asked: list[float] = []

    def ask() -> str:
        asked.append(time.monotonic())
        if len(asked) < 3:
            raise OperationalError("connection refused")
        return "answer"

    assert patiently(ask, patience_s=5.0) == "answer"
    assert len(asked) == 3


def test_patience_ends() -> None:
    def ask() -> None:
        raise OperationalError("connection refused")

    with pytest.raises(StoreUnavailable, match="connection refused"):
        patiently(ask, patience_s=0.2)


def test_errors_of_the_query_are_not_outages() -> None:
    with pytest.raises(DatabaseError), unavailable():
        raise DatabaseError("Code: 62. Syntax error", code=62)
    with pytest.raises(StoreUnavailable), unavailable():
        raise DatabaseError("Code: 241. Memory limit exceeded", code=241)
    with pytest.raises(StoreUnavailable), unavailable():
        raise DatabaseError("Code: 243. Cannot reserve 1.00 MiB, not enough space", code=243)
