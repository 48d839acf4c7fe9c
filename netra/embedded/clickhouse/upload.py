"""Takes in a statement with its data: in memory while short, through a file when long."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netra.embedded.clickhouse.statement import Insert, insert_with_rows
from netra.errors import TooLarge

#: A request up to this size is handed to the engine as it is, bytes.
INLINE_BYTES = 4 << 20
#: A statement without rows (a SELECT with a huge list, say) may be this long, bytes.
STATEMENT_BYTES = 64 << 20
#: Where an INSERT's own text is looked for at the start of a long request, bytes.
_HEAD_BYTES = 256 << 10
#: Where the engine takes rows that stand in the statement to end, whatever their format.
_BLANK_LINE = b"\n\n"


@contextmanager
def received(query: bytes, body: Iterator[bytes], spool: Path) -> Iterator[bytes]:
    """The statement of one request: `query`, then what the body holds.

    An INSERT that is too long for memory, or whose rows the engine would cut short, becomes one
    that reads them from a file in `spool`, which is gone at the end of the block.

    Raises:
        TooLarge: it is too long, and no insert with its rows.
    """
    text = bytearray(query + b"\n" if query else b"")
    limit = INLINE_BYTES
    for piece in body:
        text += piece
        if len(text) <= limit:
            continue
        insert = insert_with_rows(bytes(text[:_HEAD_BYTES])) if limit == INLINE_BYTES else None
        if insert is None:
            if limit == STATEMENT_BYTES:
                raise TooLarge(f"a statement may be at most {STATEMENT_BYTES >> 20} MB long")
            limit = STATEMENT_BYTES
            continue
        with _spooled(text, insert, body, spool) as statement:
            yield statement
        return
    insert = insert_with_rows(bytes(text[:_HEAD_BYTES])) if _BLANK_LINE in text else None
    if insert is None:
        yield bytes(text)
        return
    with _spooled(text, insert, body, spool) as statement:
        yield statement


@contextmanager
def _spooled(
    text: bytearray, insert: Insert, body: Iterator[bytes], spool: Path
) -> Iterator[bytes]:
    with tempfile.NamedTemporaryFile(dir=spool, prefix="insert-", suffix=".rows") as file:
        file.write(text[insert.data_at :])
        text.clear()
        for later in body:
            file.write(later)
        file.flush()
        yield insert.from_file(file.name)
