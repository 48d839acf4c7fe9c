"""Addresses of stores that are none are refused in words, and without the password in them."""

from __future__ import annotations

import pytest

from netra.errors import SettingsError
from netra.settings import ClickHouse, Database, Redis
from netra.store import clickhouse, postgres, redis

PASSWORD = "p4ssw0rd"


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "postgresql://",
        f"mysql://me:{PASSWORD}@host/db",
        f"me:{PASSWORD}@host/db",
        f"postgresql://me:{PASSWORD}@host/db?no_such_option=1",
        f"postgresql://me:{PASSWORD}%zz@host/db",
        f"postgresql://me:{PASSWORD}@[::1/db",
    ],
)
def test_a_database_url_that_is_none(url: str) -> None:
    with pytest.raises(SettingsError, match=r"DATABASE_URL .*expected postgresql://") as refused:
        postgres.dsn(Database(url=url))
    assert PASSWORD not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@host:5432/db",
        "postgres://host/db?sslmode=require",
        "postgresql:///db?host=/run/postgresql",
    ],
)
def test_a_database_url_is_passed_on(url: str) -> None:
    assert postgres.dsn(Database(url=url)) == url


def test_the_driver_of_a_database_url_is_left_out() -> None:
    assert postgres.dsn(Database(url="postgresql+psycopg://host/db")) == "postgresql://host/db"


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        f"http://:{PASSWORD}@host",
        "redis://",
        "redis://[::1",
        f"redis://:{PASSWORD}/x@h",
    ],
)
def test_a_redis_url_that_is_none(url: str) -> None:
    with pytest.raises(SettingsError, match="REDIS_URL is malformed; expected redis://") as refused:
        redis.check_url(Redis(url=url))
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("url", ["redis://:x@host:6379/0", "rediss://host", "unix:///run/valkey"])
def test_a_redis_url(url: str) -> None:
    redis.check_url(Redis(url=url))


@pytest.mark.parametrize(
    "url", ["nonsense", f"tcp://me:{PASSWORD}@host", "http://", "http://host:port/db", "http://[::"]
)
def test_a_clickhouse_url_that_is_none(url: str) -> None:
    with pytest.raises(SettingsError, match="CLICKHOUSE_URL is malformed; expected http://") as no:
        clickhouse.database_of(ClickHouse(url=url))
    assert PASSWORD not in str(no.value)


def test_the_database_of_a_clickhouse_url() -> None:
    assert clickhouse.database_of(ClickHouse(url="http://me:x@host:8123/netra")) == "netra"
    assert clickhouse.database_of(ClickHouse(url="https://host")) == "default"
