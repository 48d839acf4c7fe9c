"""Stores that settings name, and that the stack therefore uses and does not start."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

import msgspec
import psutil

from netra.embedded import identity, runfile
from netra.errors import NetraError, StoreUnavailable
from netra.settings import Settings

#: The variable that names each store, as a stack's own processes are given it.
VARIABLES = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL", "clickhouse": "CLICKHOUSE_URL"}
#: What ClickHouse says of a database that is not there yet.
_MADE_BY_MIGRATIONS = "UNKNOWN_DATABASE"
#: Parts of a query of PostgreSQL's that say who, not where.
_SECRET = re.compile(r"(?:^|(?<=&))(?:user|password|sslpassword)=[^&]*&?")


def named(settings: Settings) -> dict[str, str]:
    """The URLs that settings give, by store."""
    urls = (settings.database.url, settings.redis.url, settings.clickhouse.url)
    return {name: url for name, url in zip(VARIABLES, urls, strict=True) if url}


def refuse_silent(settings: Settings) -> None:
    """Asks every store that is given.

    Raises:
        NetraError: one does not answer, or not as it should; it says which, where, and what to do.
    """
    for store, url in named(settings).items():
        try:
            _ask(store, settings)
        except NetraError as e:
            variable, why = VARIABLES[store], " ".join(e.detail.split()).rstrip(".")
            raise StoreUnavailable(
                f"{variable} gives {store} at {address(url)}, which is of no use: {why}; start it"
                f" or correct {variable}; without it netra up starts one of its own"
            ) from e


def _ask(store: str, settings: Settings) -> None:
    # The drivers are loaded where a store is given, and nowhere else.
    if store == "postgres":
        import psycopg

        from netra.store import postgres

        try:
            postgres.connect(settings.database, "up").close()
        except psycopg.Error as e:
            raise StoreUnavailable(str(e)) from e
    elif store == "valkey":
        from redis.exceptions import RedisError

        from netra.store import redis

        try:
            with redis.connect(settings.redis) as client:
                client.ping()
        except (RedisError, OSError) as e:
            raise StoreUnavailable(str(e)) from e
    else:
        from netra.store import clickhouse_http

        try:
            clickhouse_http.ask(settings.clickhouse, "SELECT 1")
        except clickhouse_http.Refused as e:
            if _MADE_BY_MIGRATIONS not in e.detail:
                raise


def address(url: str) -> str:
    """Where a store is, without user and password."""
    parts = urlsplit(url)
    query = _SECRET.sub("", parts.query).rstrip("&")
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query).geturl()


def as_started(settings: Settings, run: runfile.Run) -> Settings:
    """Settings with the URLs that a running stack was given, whatever these ones say."""
    urls = {name: url for name, url in named(settings).items() if name in run.given}
    told: Mapping[str, str] | None = None
    for name, where in run.addresses.items():
        if address(urls.get(name, "")) == where:
            continue
        told = _environment_of(run) if told is None else told
        url = told.get(VARIABLES[name], "")
        urls[name] = url if address(url) == where else where
    return with_urls(settings, urls)


def with_urls(settings: Settings, urls: Mapping[str, str]) -> Settings:
    """Settings that name these stores, and no other."""
    replace = msgspec.structs.replace
    return replace(
        settings,
        database=replace(settings.database, url=urls.get("postgres", "")),
        redis=replace(settings.redis, url=urls.get("valkey", "")),
        clickhouse=replace(settings.clickhouse, url=urls.get("clickhouse", "")),
    )


def _environment_of(run: runfile.Run) -> Mapping[str, str]:
    """What one of the stack's own processes was given; empty if none lives or it may not be read.

    The run file holds no password: everybody may read it.
    """
    needed: Collection[str] = VARIABLES.values()
    for p in run.processes.values():
        if p.pid is None or p.began is None or not identity.is_same(p.pid, p.began):
            continue
        with contextlib.suppress(psutil.Error, OSError):
            environment = psutil.Process(p.pid).environ()
            if all(variable in environment for variable in needed):
                return environment
    return {}
