"""CSV files -> blocks of rows, every value as text. Unquoted nothing is NULL, `""` is empty."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from netra.ingest.convert import NUL
from netra.ingest.lines import Block, blocks, last_record_end, places
from netra.ingest.problems import Problems, refuse
from netra.ingest.rows import Rows, whole


def header(line: str, source: str) -> list[str]:
    """The column names in the first line.

    Raises:
        InvalidEvents: a name is empty, stands there twice, or holds a NUL character.
    """
    names = [name.strip() for name in next(csv.reader(io.StringIO(line)), [])]
    for i, name in enumerate(names):
        if not name or name in names[:i]:
            problem = "is there twice; rename one" if name else "is empty; name it"
            refuse(source, f"line 1, column {i + 1}", f"the column's name {problem}", name)
        if NUL in name:
            problem = "the column's name holds a NUL character (U+0000); rename it"
            refuse(source, f"line 1, column {i + 1}", problem, repr(name))
    return names


def read(
    path: Path, problems: Problems, max_line_bytes: int, types: Mapping[str, pa.DataType]
) -> Iterator[Rows]:
    """The file's rows in blocks, values as text, or as `types` where every value fits.

    Raises:
        InvalidEvents: the file cannot be cut into rows.
    """
    names: list[str] = []
    typed = dict(types)
    for block in blocks(path, problems.source, max_line_bytes, last_record_end):
        if not names:
            end = block.data.find(b"\n") + 1 or len(block.data)
            names = header(block.data[:end].decode().rstrip("\r\n"), problems.source)
            data = block.data[end:]
            block = Block(first_line=2, end_byte=block.end_byte, data=data)
        if not block.data or block.data.isspace():
            continue
        rows = _rows(block, names, typed, problems)
        if rows is None:
            # From here on as text: a file whose times are numbers, say, is not read twice.
            typed.clear()
            rows = _rows(block, names, typed, problems)
            assert rows is not None
        yield rows


def _rows(
    block: Block, names: Sequence[str], types: Mapping[str, pa.DataType], problems: Problems
) -> Rows | None:
    """The block's rows, or None if a value does not fit `types`."""
    bad: list[pacsv.InvalidRow] = []
    try:
        table = _parsed(block.data, names, types, bad)
    except pa.ArrowInvalid:
        if types:
            return None
        raise
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
    columns = {name: whole(table[name]) for name in names}
    return Rows(columns, table.num_rows, place, problems, block.end_byte)


def _parsed(
    data: bytes,
    names: Sequence[str],
    types: Mapping[str, pa.DataType],
    bad: list[pacsv.InvalidRow],
) -> pa.Table:
    def skip(row: pacsv.InvalidRow) -> str:
        bad.append(row)
        return "skip"

    return pacsv.read_csv(
        pa.BufferReader(data),
        pacsv.ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1),
        pacsv.ParseOptions(newlines_in_values=b'"' in data, invalid_row_handler=skip),
        pacsv.ConvertOptions(
            column_types={name: types.get(name, pa.string()) for name in names},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            check_utf8=False,
        ),
    )


def record_lines(block: Block) -> list[int]:
    """The number of the line in which each record of the block begins."""
    starts: list[int] = []
    inside = False
    for i, line in enumerate(block.data.split(b"\n")):
        if not inside and line.strip(b"\r"):
            starts.append(block.first_line + i)
        inside ^= line.count(b'"') % 2 == 1
    return starts
