"""Connections to ClickHouse, server or embedded engine alike. The driver loads when needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from netra.errors import SettingsError, StoreUnavailable
from netra.settings import ClickHouse

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

T = TypeVar("T")

_CONNECT_TIMEOUT_S = 5
#: The longest that one statement may take, seconds.
_STATEMENT_TIMEOUT_S = 600
_UNKNOWN_DATABASE = 81
#: Server errors that pass by themselves: too many queries, timeouts, network, memory, read-only, no
#: room on the disk (243; 75: a write to a file failed).
_PASSING = frozenset({75, 159, 202, 209, 210, 241, 242, 243, 252, 319, 425, 999})
_PORTS = {"http": 8123, "https": 8443}


def connect(settings: ClickHouse) -> Client:
    """A client; threads may share it, as it holds no session.

    A database that does not exist yet is made: the migrations fill it.

    Raises:
        SettingsError: there is no URL, or it is not one.
        StoreUnavailable: ClickHouse does not answer.
    """
    database = database_of(settings)
    with unavailable():
        try:
            return _client(settings.url, database)
        except _driver_errors().DatabaseError as e:
            if e.code != _UNKNOWN_DATABASE:
                raise
        default = _client(settings.url, "default")
        default.command("CREATE DATABASE IF NOT EXISTS {name:Identifier}", {"name": database})
        default.close()
        return _client(settings.url, database)


def database_of(settings: ClickHouse) -> str:
    """The database that the URL names.

    Raises:
        SettingsError: there is no URL, or it is not one; its password is not repeated.
    """
    if not settings.url:
        raise SettingsError("CLICKHOUSE_URL is not set; `netra up` starts an engine of its own")
    try:
        parts = urlsplit(settings.url)
        good = parts.scheme in _PORTS and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise SettingsError(
            "CLICKHOUSE_URL is malformed; expected http://user:password@host:port/database, with"
            " %-escapes for what is special in a password"
        )
    return urlsplit(settings.url).path.strip("/") or "default"


def _client(url: str, database: str) -> Client:
    import clickhouse_connect

    parts = urlsplit(url)
    return clickhouse_connect.get_client(
        interface=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        username=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=database,
        compress=False,
        autogenerate_session_id=False,
        tz_mode="aware",
        connect_timeout=_CONNECT_TIMEOUT_S,
        send_receive_timeout=_STATEMENT_TIMEOUT_S,
        client_name="netra",
    )


def _driver_errors() -> ModuleType:
    from clickhouse_connect.driver import exceptions

    return exceptions


@contextmanager
def unavailable() -> Iterator[None]:
    """Names the errors that mean: ClickHouse is away or overloaded, try again."""
    errors = _driver_errors()
    try:
        yield
    except errors.Error as e:
        code = getattr(e, "code", None)
        if code in _PASSING or (code is None and isinstance(e, errors.OperationalError)):
            raise StoreUnavailable(f"ClickHouse does not answer: {e}") from e
        raise


def patiently(ask: Callable[[], T], patience_s: float) -> T:
    """What `ask` answers, asked again while ClickHouse is away. `ask` must only read.

    Raises:
        StoreUnavailable: it was still away after `patience_s` seconds.
    """
    deadline = time.monotonic() + patience_s
    wait_s = 0.1
    while True:
        try:
            with unavailable():
                return ask()
        except StoreUnavailable:
            if time.monotonic() + wait_s > deadline:
                raise
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, 2.0)
