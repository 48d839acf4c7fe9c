"""Calls of functions that answer with JSON, by libpq itself.

A worker that completes a stage spends more time in the layers that make a statement, a cursor and
a row of any kind than PostgreSQL's protocol asks for. What is called here is one kind: scalars,
arrays of ids and JSON in, one JSON value out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec
import psycopg
from psycopg import generators, pq
from psycopg.types.json import Jsonb

from netra.store.postgres import AsyncConnection, Connection

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Functions:
    """Functions as one connection in autocommit calls them; each is prepared once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._prepared: set[bytes] = set()

    def call(
        self, function: str, args: Sequence[Any], meanwhile: Callable[[], None] | None = None
    ) -> Any:
        """The function's JSON, decoded; None for NULL.

        Args:
            meanwhile: is done while PostgreSQL works; it must not ask this connection.

        Raises:
            psycopg.Error: as a cursor would; OperationalError without a state if the connection
                broke.
        """
        name = _name(function, args)
        with self.connection.lock:
            pgconn = self.connection.pgconn
            if name not in self._prepared:
                _checked(pgconn, pgconn.prepare(name, _query(function, args)))
                self._prepared.add(name)
            pgconn.send_query_prepared(name, _values(args))
            try:
                if meanwhile:
                    meanwhile()
            finally:
                result = pgconn.get_result()
                while pgconn.get_result() is not None:
                    pass
            return _value(pgconn, result)


#: What connections of a pool have prepared.
_PREPARED: WeakKeyDictionary[AsyncConnection, set[bytes]] = WeakKeyDictionary()


async def call_async(connection: AsyncConnection, function: str, args: Sequence[Any]) -> Any:
    """As `Functions.call`, on the event loop."""
    name = _name(function, args)
    prepared = _PREPARED.setdefault(connection, set())
    async with connection.lock:
        pgconn = connection.pgconn
        if name not in prepared:
            pgconn.send_prepare(name, _query(function, args))
            for result in await connection.wait(generators.execute(pgconn)):
                _checked(pgconn, result)
            prepared.add(name)
        pgconn.send_query_prepared(name, _values(args))
        results = await connection.wait(generators.execute(pgconn))
        return _value(pgconn, results[0] if results else None)


def _name(function: str, args: Sequence[Any]) -> bytes:
    return b"%b/%d" % (function.encode(), len(args))


def _query(function: str, args: Sequence[Any]) -> bytes:
    marks = b", ".join(b"$%d" % (i + 1) for i in range(len(args)))
    return b"SELECT %b(%b)" % (function.encode(), marks)


def _values(args: Sequence[Any]) -> Any:
    # Their type has no place for NULL, though PostgreSQL's protocol has, and so has libpq.
    return [parameter(arg) for arg in args]


def _value(pgconn: pq.abc.PGconn, result: pq.abc.PGresult | None) -> Any:
    if result is None:
        raise psycopg.OperationalError("the connection is lost")
    value = _checked(pgconn, result).get_value(0, 0)
    # A function that answers nothing has an empty text.
    return _decode(value) if value else None


def _checked(pgconn: pq.abc.PGconn, result: pq.abc.PGresult) -> pq.abc.PGresult:
    if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        return result
    if pgconn.status == pq.ConnStatus.BAD:
        raise psycopg.OperationalError("the connection is lost")
    raise psycopg.errors.error_from_result(result)


def parameter(value: Any) -> bytes | None:
    """A parameter in PostgreSQL's text format."""
    match value:
        case None:
            return None
        case str():
            if "\0" in value:
                raise psycopg.DataError("text cannot hold a NUL")
            return value.encode()
        case Jsonb():
            return _encode(value.obj)
        case bool():
            return b"t" if value else b"f"
        case int() | float() | UUID():
            return str(value).encode()
        case list():
            return b"{%b}" % b",".join(str(one).encode() for one in value)
        case _:
            raise TypeError(f"no parameter: {type(value).__name__}")
