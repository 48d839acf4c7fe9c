"""Cuts a text file into blocks of whole lines, in bounded memory, before anything parses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netra.ingest.problems import refuse

#: Bytes read at a time; a block of lines is about this large.
BLOCK_BYTES = 8 << 20
_BOM = b"\xef\xbb\xbf"
_QUOTE = ord('"')
_LINE_FEED = ord("\n")


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some whole lines of a file."""

    #: The number of the first line, from 1.
    first_line: int
    #: Bytes of the file up to the end of this block.
    end_byte: int
    #: The lines, each with its line feed (the last one of the file may lack it).
    data: bytes


def last_line_end(data: bytes) -> int:
    """The position after the last line feed, or 0."""
    return data.rfind(b"\n") + 1


def last_record_end(data: bytes) -> int:
    """The position after the last line feed outside quotes, or 0: CSV values may hold line feeds.

    `data` must begin outside quotes.
    """
    end = last_line_end(data)
    if b'"' not in data:
        return end
    quotes = _count(data, _QUOTE, end)
    while end and quotes % 2:
        previous = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(b'"', previous, end)
        end = previous
    return end


def _count(data: bytes, byte: int, end: int) -> int:
    """How often `byte` is in `data[:end]`: three times as fast as `bytes.count` where it is often,
    and other threads can go on meanwhile."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8, end) == byte))


def blocks(
    path: Path,
    source: str,
    max_line_bytes: int,
    cut: Callable[[bytes], int] = last_line_end,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Block]:
    """The file in blocks of whole lines (or records, as `cut` finds them), checked to be UTF-8.

    Holds at most about `block_bytes + max_line_bytes` in memory.

    Raises:
        InvalidEvents: a line is longer than `max_line_bytes`, or not UTF-8; it names which.
    """
    # No chunk is longer than the limit, so only a block's first line can break it.
    chunk_bytes = min(block_bytes, max_line_bytes)
    rest, line = b"", 1
    with path.open("rb") as file:
        if file.read(len(_BOM)) != _BOM:
            file.seek(0)
        done = file.tell()
        while chunk := file.read(chunk_bytes):
            data = rest + chunk
            _check_first_line(data, cut, line, source, max_line_bytes)
            # A short chunk is the last one: what follows the last line feed is a line too.
            end = cut(data) if len(chunk) == chunk_bytes else len(data)
            if end:
                done += end
                yield _block(data[:end], line, done, source)
                line += _count(data, _LINE_FEED, end)
            rest = data[end:]
    if rest:
        yield _block(rest, line, done + len(rest), source)


def _check_first_line(
    data: bytes, cut: Callable[[bytes], int], line: int, source: str, limit: int
) -> None:
    if len(data) <= limit:
        return
    end = data.find(b"\n", 0, limit + 1) + 1
    while end and not cut(data[:end]):
        end = data.find(b"\n", end, limit + 1) + 1
    if not end:
        refuse(
            source,
            f"line {line}",
            "the line is too long, or a quote is not closed; split it, or raise the limit"
            " (setting api.max_line_bytes)",
            f"more than {limit:,} bytes",
            f"at most {limit:,} bytes",
        )


def _block(data: bytes, line: int, end_byte: int, source: str) -> Block:
    try:
        str(data, "utf-8")
    except UnicodeDecodeError as e:
        start = data.rfind(b"\n", 0, e.start) + 1
        bad_line = line + data.count(b"\n", 0, e.start)
        refuse(
            source,
            f"line {bad_line}, byte {e.start - start + 1}",
            "the text is not UTF-8; convert the file (for example with iconv) and send it again",
            data[e.start : e.start + 4].hex(" "),
            "UTF-8",
        )
    return Block(first_line=line, end_byte=end_byte, data=data)


def places(first_lines: Callable[[], Sequence[int]]) -> Callable[[int], str]:
    """Where row `i` of a block stands, from the lines in which rows begin, found when asked."""
    found: list[Sequence[int]] = []

    def place(i: int) -> str:
        if not found:
            found.append(first_lines())
        return f"line {found[0][i]}"

    return place
