"""CSV files -> blocks of rows, every value as text. Unquoted nothing is NULL, `""` is empty."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from netra.ingest.lines import Block, blocks, last_record_end, places
from netra.ingest.problems import Problems, refuse
from netra.ingest.rows import Rows


def header(line: str, source: str) -> list[str]:
    """The column names in the first line.

    Raises:
        InvalidEvents: a name is empty or stands there twice.
    """
    names = [name.strip() for name in next(csv.reader(io.StringIO(line)), [])]
    for i, name in enumerate(names):
        if not name or name in names[:i]:
            problem = "is there twice; rename one" if name else "is empty; name it"
            refuse(source, f"line 1, column {i + 1}", f"the column's name {problem}", name)
    return names


def read(path: Path, problems: Problems, max_line_bytes: int) -> Iterator[Rows]:
    """The file's rows in blocks.

    Raises:
        InvalidEvents: the file cannot be cut into rows.
    """
    names: list[str] = []
    for block in blocks(path, problems.source, max_line_bytes, last_record_end):
        if not names:
            end = block.data.find(b"\n") + 1 or len(block.data)
            names = header(block.data[:end].decode().rstrip("\r\n"), problems.source)
            data = block.data[end:]
            block = Block(first_line=2, end_byte=block.end_byte, data=data)
        if block.data.strip():
            yield _rows(block, names, problems)


def _rows(block: Block, names: Sequence[str], problems: Problems) -> Rows:
    bad: list[pacsv.InvalidRow] = []

    def skip(row: pacsv.InvalidRow) -> str:
        bad.append(row)
        return "skip"

    table = pacsv.read_csv(
        pa.BufferReader(block.data),
        pacsv.ReadOptions(column_names=names, use_threads=False, block_size=len(block.data) + 1),
        pacsv.ParseOptions(newlines_in_values=b'"' in block.data, invalid_row_handler=skip),
        pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            check_utf8=False,
        ),
    )
    record = places(lambda: record_lines(block))
    for row in bad:
        problems.add(
            record(row.number - 1),
            f"the line has {row.actual_columns} values; the header has {row.expected_columns}",
            row.text,
            f"{row.expected_columns} values",
        )
    skipped = {row.number - 1 for row in bad}

    place = places(lambda: [n for k, n in enumerate(record_lines(block)) if k not in skipped])
    columns = {name: table[name].combine_chunks() for name in names}
    return Rows(columns, table.num_rows, place, problems, block.end_byte)


def record_lines(block: Block) -> list[int]:
    """The number of the line in which each record of the block begins."""
    starts: list[int] = []
    inside = False
    for i, line in enumerate(block.data.split(b"\n")):
        if not inside and line.strip(b"\r"):
            starts.append(block.first_line + i)
        inside ^= line.count(b'"') % 2 == 1
    return starts
