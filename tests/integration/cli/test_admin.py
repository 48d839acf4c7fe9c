"""`netra admin` on real stores: figures, resets that hit nobody else, keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import redis
from click.testing import CliRunner

from netra.cli.main import main
from netra.embedded.info import StackInfo


def admin(stores: StackInfo, *arguments: str) -> tuple[int, Any]:
    result = CliRunner().invoke(
        main, ["admin", *arguments, "--home", str(stores.home), "--json"], catch_exceptions=False
    )
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def sessions(stores: StackInfo) -> Iterator[dict[str, psycopg.Connection[Any]]]:
    names = ("left-open", "bystander")
    made = {name: psycopg.connect(stores.database_url, application_name=name) for name in names}
    yield made
    for connection in made.values():
        connection.close()


def test_connections_are_counted_by_who_they_are(
    stores: StackInfo, sessions: dict[str, psycopg.Connection[Any]]
) -> None:
    sessions["left-open"].execute("SELECT 1")
    code, found = admin(stores, "connections")
    assert code == 0
    by_name = {s["application"]: s for s in found["postgres"]["applications"]}
    assert by_name["left-open"]["idle_in_transaction"] == 1
    assert by_name["bystander"]["idle"] == 1
    assert found["postgres"]["allowed"] > 0
    assert found["redis"]["total"] >= 1
    shown = CliRunner().invoke(main, ["admin", "connections", "--home", str(stores.home)])
    assert "left-open" in shown.stdout
    assert "of 200 connections" in shown.stdout


def test_a_reset_ends_those_that_are_named_and_no_others(
    stores: StackInfo, sessions: dict[str, psycopg.Connection[Any]]
) -> None:
    assert admin(stores, "reset", "--application", "left-open") == (0, {"closed": 1})
    with pytest.raises(psycopg.OperationalError):
        sessions["left-open"].execute("SELECT 1")
    sessions["bystander"].execute("SELECT 1")
    pid = sessions["bystander"].info.backend_pid
    assert admin(stores, "reset", "--pid", str(pid)) == (0, {"closed": 1})
    assert admin(stores, "reset", "--application", "nobody") == (1, {"closed": 0})
    command = ["admin", "reset", "--pid", "1", "--home", str(stores.home)]
    said = CliRunner().invoke(main, command)
    assert (said.exit_code, said.stdout.strip()) == (1, "closed 0 connections")
    assert "no connection with pid 1; netra admin connections lists them" in said.stderr


def test_redis_connections_are_closed_and_open_again(stores: StackInfo) -> None:
    with redis.Redis.from_url(stores.redis_url) as client:
        client.ping()
        before = client.client_id()
        code, done = admin(stores, "reset", "--redis")
        assert code == 0
        assert done["closed"] >= 1
        assert client.client_id() != before


def test_a_reset_must_say_of_what(stores: StackInfo) -> None:
    result = CliRunner().invoke(main, ["admin", "reset", "--home", str(stores.home)])
    assert result.exit_code == 2
    assert "--application" in result.stderr


def test_memory_of_every_process_is_traced(stores: StackInfo) -> None:
    code, rows = admin(stores, "memory")
    assert code == 0
    assert {"postgres", "valkey", "clickhouse"} <= {row["name"] for row in rows}
    assert all(row["memory_bytes"] > 0 for row in rows if row["role"] == "parent")
    assert rows == sorted(rows, key=lambda row: -row["memory_bytes"])


def test_the_queue_is_shown(stores: StackInfo) -> None:
    code, found = admin(stores, "queue")
    assert code == 0
    assert set(found) == {"stages", "workers", "held_back"}


def test_a_key_is_made_rotated_and_revoked(stores: StackInfo) -> None:
    code, made = admin(stores, "key", "create", "default", "ci")
    assert code == 0
    code, twice = admin(stores, "key", "create", "default", "ci")
    assert (code, "already" in twice["detail"]) == (2, True)
    code, rotated = admin(stores, "key", "rotate", "default", "ci")
    assert code == 0
    assert rotated["api_key"] != made["api_key"]

    def holding() -> list[str]:
        _, page = admin(stores, "key", "list", "--tenant", "default")
        return [k["name"] for k in page["items"] if k["revoked_at"] is None]

    assert holding().count("ci") == 1
    assert admin(stores, "key", "revoke", "default", "ci")[0] == 0
    assert "ci" not in holding()
    assert admin(stores, "key", "revoke", "default", "ci")[0] == 2
    assert admin(stores, "key", "create", "nobody", "ci")[0] == 2
