"""Joins small batches into ones worth an insert: ClickHouse's cost is per insert and column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from netra.ingest.trace import Piece

#: An insert has about this many rows, or bytes, whichever is reached first.
INSERT_ROWS = 100_000
INSERT_BYTES = 24 << 20


def merged(
    pieces: Iterable[Piece], rows: int = INSERT_ROWS, size: int = INSERT_BYTES
) -> Iterator[Piece]:
    """The same events in the same order, in pieces of at most about `rows` and `size` bytes."""
    held: list[Piece] = []
    held_rows = held_bytes = 0
    for piece in pieces:
        more_rows, more_bytes = piece.batch.num_rows, piece.batch.nbytes
        if held and (held_rows + more_rows > rows or held_bytes + more_bytes > size):
            yield _joined(held)
            held, held_rows, held_bytes = [], 0, 0
        held.append(piece)
        held_rows, held_bytes = held_rows + more_rows, held_bytes + more_bytes
    if held:
        yield _joined(held)


def _joined(pieces: list[Piece]) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    batch = pa.concat_batches([piece.batch for piece in pieces])
    return Piece(batch=batch, end_byte=pieces[-1].end_byte)
