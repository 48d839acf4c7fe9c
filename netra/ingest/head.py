"""The head of a file: which container it is, and its columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from netra.ingest.containers import csv, parquet
from netra.ingest.format import Container
from netra.ingest.lines import blocks
from netra.ingest.problems import refuse

#: Enough for any header; longer first lines are read further.
_HEAD_BYTES = 64 << 10


@dataclass(frozen=True, kw_only=True)
class Head:
    """What the beginning of a file shows."""

    #: What the sender calls the file.
    source: str
    container: Container
    #: The columns, in the file's order; of a JSONL file, the keys of its first line.
    columns: tuple[str, ...]

    @property
    def where(self) -> str:
        """Where the columns are named."""
        return "schema" if self.container == "parquet" else "line 1"


def look(path: Path, source: str, max_line_bytes: int) -> Head:
    """Reads the head of the file at `path`.

    Raises:
        InvalidEvents: the file is empty, broken, or no text where it should be.
    """
    with path.open("rb") as file:
        start = file.read(_HEAD_BYTES)
    if not start.strip():
        refuse(source, "file", "the file is empty; nothing to ingest", f"{len(start)} bytes")
    if start.startswith(b"PAR1"):
        with parquet.open_file(path, source) as opened:
            return Head(
                source=source, container="parquet", columns=tuple(opened.schema_arrow.names)
            )
    first = _first_line(path, source, max_line_bytes)
    if first.startswith(("{", "[")):
        return Head(source=source, container="jsonl", columns=_keys(first, source))
    return Head(source=source, container="csv", columns=tuple(csv.header(first, source)))


def _first_line(path: Path, source: str, max_line_bytes: int) -> str:
    for block in blocks(path, source, max_line_bytes, block_bytes=_HEAD_BYTES):
        for line in block.data.split(b"\n"):
            if line.strip():
                return line.decode().strip()
    return ""


def _keys(line: str, source: str) -> tuple[str, ...]:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        refuse(source, "line 1", f"the line is not JSON: {e}", line, "a JSON object")
    if not isinstance(value, dict):
        problem = "the line is not a JSON object; write one object per event, one to a line"
        refuse(source, "line 1", problem, line, "a JSON object")
    return tuple(value)
