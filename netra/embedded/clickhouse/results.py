"""Runs a statement and yields its result as the bytes that go to the client."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field

from netra.embedded.clickhouse import arrow, statement
from netra.embedded.clickhouse.engine import Context, Engine, Piece


@dataclass
class Counts:
    """What `X-ClickHouse-Summary` tells, filled while the result is read."""

    read_rows: int = 0
    read_bytes: int = 0
    #: None where the engine does not say: it gives no number for `INSERT … SELECT`.
    written_rows: int | None = None
    started_ns: int = field(default_factory=time.monotonic_ns)

    def summary(self) -> dict[str, str]:
        counted = {
            "read_rows": str(self.read_rows),
            "read_bytes": str(self.read_bytes),
            "elapsed_ns": str(time.monotonic_ns() - self.started_ns),
        }
        if self.written_rows is not None:
            counted["written_rows"] = str(self.written_rows)
        return counted


def contents(
    engine: Engine, text: bytes, context: Context, counts: Counts
) -> Generator[bytes, None, None]:
    """The result of `text`, piece by piece where its format allows that, else whole.

    Raises:
        EngineError: the engine refused the statement, now or on the way.
    """
    format = statement.output_format(text, context.format)
    if not statement.streams(text, format):
        whole = engine.run(text, context)
        _count(whole, counts)
        if statement.brings_rows(text):
            # Rows given in the statement count as a table's, rows from a file as read.
            counts.written_rows = whole.storage_rows or whole.rows_read
        yield whole.content
        return
    pieces = _streamed(engine, text, context, counts)
    if statement.is_arrow_stream(format):
        pieces = arrow.joined(pieces)
    yield from pieces


def _streamed(
    engine: Engine, text: bytes, context: Context, counts: Counts
) -> Generator[bytes, None, None]:
    with closing(engine.stream(text, context)) as pieces:
        first = next(pieces, None)
        if first is not None:
            _count(first, counts)
            yield first.content
            for piece in pieces:
                _count(piece, counts)
                yield piece.content
            return
    # An empty result comes in no pieces at all, yet a format may begin with a head.
    whole = engine.run(text, context)
    _count(whole, counts)
    yield whole.content


def _count(piece: Piece, counts: Counts) -> None:
    counts.read_rows += piece.rows_read
    counts.read_bytes += piece.bytes_read
