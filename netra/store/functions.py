"""Calls of functions that answer with JSON, by libpq itself.

A worker that completes a stage spends more time in the layers that make a statement, a cursor and
a row of any kind than PostgreSQL's protocol asks for. What is called here is one kind: scalars,
arrays of ids and JSON in, one JSON value out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg import generators, pq
from psycopg.types.json import Jsonb

from netra.store.postgres import Connection

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
        name = b"%b/%d" % (function.encode(), len(args))
        with self.connection.lock:
            pgconn = self.connection.pgconn
            if name not in self._prepared:
                marks = b", ".join(b"$%d" % (i + 1) for i in range(len(args)))
                query = b"SELECT %b(%b)" % (function.encode(), marks)
                self._answer(pgconn.prepare(name, query))
                self._prepared.add(name)
            # Its type has no place for NULL, though PostgreSQL's protocol has, and so has libpq.
            values: Any = [parameter(arg) for arg in args]
            if meanwhile is None:
                answer = self._answer(pgconn.exec_prepared(name, values))
            else:
                pgconn.send_query_prepared(name, values)
                try:
                    meanwhile()
                finally:
                    # As a cursor waits: other threads run.
                    results = self.connection.wait(generators.execute(pgconn))
                answer = self._answer(results[0])
        value = answer.get_value(0, 0)
        # A function that answers nothing has an empty text.
        return _decode(value) if value else None

    def _answer(self, result: pq.abc.PGresult) -> pq.abc.PGresult:
        if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            return result
        if self.connection.pgconn.status == pq.ConnStatus.BAD:
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
