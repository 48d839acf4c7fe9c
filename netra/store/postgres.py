"""Connections to PostgreSQL: async for the API, sync for workers and the scheduler (ADR 0001)."""

from __future__ import annotations

import select
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from netra.errors import SettingsError, StoreUnavailable
from netra.settings import Database

#: A worker's connection: autocommit, rows as dicts; each statement is its own transaction.
Connection = psycopg.Connection[DictRow]
AsyncConnection = psycopg.AsyncConnection[DictRow]

# Several times as fast as the standard library's, on every call of the queue.
set_json_dumps(msgspec.json.encode)
set_json_loads(msgspec.json.decode)

_SCHEMES = ("postgresql", "postgres")
_EXPECTED = (
    "expected postgresql://user:password@host:port/name, with %-escapes for what is special in a"
    " password"
)


def dsn(settings: Database) -> str:
    """The URL as libpq understands it, without a SQLAlchemy driver suffix.

    Raises:
        SettingsError: there is none, or it is not one.
    """
    if not settings.url:
        raise SettingsError("DATABASE_URL is not set; `netra up` starts a database of its own")
    scheme, _, rest = settings.url.partition("://")
    scheme = scheme.partition("+")[0]
    # Neither the URL nor libpq's words about it are repeated: both may hold the password.
    if not rest or scheme not in _SCHEMES:
        raise SettingsError(f"DATABASE_URL does not begin with postgresql://; {_EXPECTED}")
    url = f"{scheme}://{rest}"
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise SettingsError(f"DATABASE_URL is malformed; {_EXPECTED}") from None
    return url


def _options(settings: Database, name: str) -> dict[str, Any]:
    return {
        "autocommit": True,
        "row_factory": dict_row,
        "connect_timeout": max(2, round(settings.connect_timeout_s)),
        "application_name": f"netra-{name}",
        # Times leave the database as clients are sent them, whatever the server's own zone.
        "options": "-c timezone=UTC",
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        # Keepalives say nothing while a statement is under way: what was sent and never
        # acknowledged breaks the connection after this long, ms. A server that is merely busy
        # acknowledges.
        "tcp_user_timeout": 10_000,
    }


def connect(settings: Database, name: str) -> Connection:
    """One sync connection, in autocommit.

    Raises:
        StoreUnavailable: PostgreSQL does not answer.
    """
    with unavailable():
        return psycopg.Connection[DictRow].connect(dsn(settings), **_options(settings, name))


def pool(settings: Database, name: str) -> AsyncConnectionPool[AsyncConnection]:
    """The API's pool, not yet open; `checkout` looks at what it hands out."""
    return AsyncConnectionPool(
        dsn(settings),
        connection_class=psycopg.AsyncConnection[DictRow],
        kwargs=_options(settings, name),
        min_size=2,
        max_size=settings.pool_size + settings.pool_overflow,
        max_lifetime=settings.pool_recycle_s,
        max_idle=60,
        timeout=settings.connect_timeout_s,
        reconnect_timeout=5,
        open=False,
    )


@asynccontextmanager
async def checkout(
    source: AsyncConnectionPool[AsyncConnection],
) -> AsyncIterator[AsyncConnection]:
    """A living connection from the pool; a store that is away is a StoreUnavailable.

    The pool could check by itself, but waits longer and longer after each connection that is dead:
    once PostgreSQL has started anew, all are, and requests would fail for as long.
    """
    with unavailable():
        connection = await source.getconn()
        while _broken(connection):
            # The pool makes another for one that comes back closed.
            await connection.close()
            await source.putconn(connection)
            connection = await source.getconn()
        try:
            async with connection:
                yield connection
        finally:
            await source.putconn(connection)


def _broken(connection: AsyncConnection) -> bool:
    """Whether the connection broke since it was last used.

    A server that goes away says so, or its machine does: the socket can be read then. Asking it
    would cost a round trip for each request, and wait as long for one that is silent as the
    request itself.
    """
    readable = select.poll()
    try:
        readable.register(connection.pgconn.socket, select.POLLIN)
        while readable.poll(0):
            connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return False


@contextmanager
def unavailable() -> Iterator[None]:
    """Names the errors that mean: PostgreSQL is away, try again."""
    try:
        yield
    except PoolTimeout as e:
        raise StoreUnavailable(f"PostgreSQL does not answer: {e}") from e
    except psycopg.OperationalError as e:
        if _is_outage(e):
            raise StoreUnavailable(f"PostgreSQL does not answer: {e}") from e
        raise


def _is_outage(e: psycopg.OperationalError) -> bool:
    # No SQLSTATE: the connection broke. 08: connection; 57: shutdown; 53: out of resources.
    return e.sqlstate is None or e.sqlstate[:2] in ("08", "57", "53")
