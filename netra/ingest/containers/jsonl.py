"""JSONL files -> blocks of rows. Arrow parses; where it cannot, each line is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.json as pajson

from netra.ingest.lines import Block, blocks, places
from netra.ingest.problems import Problems
from netra.ingest.rows import Rows, whole


def read(
    path: Path, problems: Problems, max_line_bytes: int, types: Mapping[str, pa.DataType]
) -> Iterator[Rows]:
    """The file's rows in blocks.

    `types` are those that Arrow must not guess: 64-bit hashes would become floats.

    Raises:
        InvalidEvents: the file cannot be cut into lines.
    """
    # Grows by the columns in which Arrow sees times: they are to stay the text that they are.
    schema = dict(types)
    for block in blocks(path, problems.source, max_line_bytes):
        if block.data.strip():
            yield _in_bulk(block, schema, problems) or _line_by_line(block, problems)


def _in_bulk(block: Block, schema: dict[str, pa.DataType], problems: Problems) -> Rows | None:
    table = _parsed(block.data, schema)
    if table is None:
        return None
    guessed = {f.name: _as_text(f.type) for f in table.schema if _as_text(f.type) != f.type}
    if guessed:
        schema.update(guessed)
        table = _parsed(block.data, schema)
    # Arrow takes two objects in one line, and one over two lines, without a word.
    if table is None or table.num_rows != len(_full_lines(block)):
        return None
    columns = {name: whole(table[name]) for name in table.column_names}
    place = places(lambda: _full_lines(block))
    return Rows(columns, table.num_rows, place, problems, block.end_byte)


def _parsed(data: bytes, schema: Mapping[str, pa.DataType]) -> pa.Table | None:
    try:
        return pajson.read_json(
            pa.BufferReader(data),
            pajson.ReadOptions(use_threads=False, block_size=len(data) + 1),
            pajson.ParseOptions(explicit_schema=pa.schema(list(schema.items()))),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _as_text(type_: pa.DataType) -> pa.DataType:
    """`type_` with text in place of the times that Arrow guessed."""
    if pa.types.is_timestamp(type_):
        return pa.string()
    if pa.types.is_struct(type_):
        return pa.struct([(f.name, _as_text(f.type)) for f in type_])
    if pa.types.is_list(type_):
        return pa.list_(_as_text(type_.value_type))
    return type_


def _full_lines(block: Block) -> list[int]:
    lines = block.data.split(b"\n")
    return [block.first_line + i for i, line in enumerate(lines) if line.strip()]


def _line_by_line(block: Block, problems: Problems) -> Rows:
    decoder = msgspec.json.Decoder()
    objects: list[dict[str, Any]] = []
    lines: list[int] = []
    for i, line in enumerate(block.data.split(b"\n"), block.first_line):
        if not line.strip():
            continue
        try:
            value = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            problems.add(f"line {i}", f"the line is not JSON: {e}", _decoded(line), "a JSON object")
            continue
        if not isinstance(value, dict):
            problems.add(f"line {i}", "the line is not a JSON object", value, "a JSON object")
            continue
        objects.append(value)
        lines.append(i)
    names = dict.fromkeys(name for value in objects for name in value)
    columns: dict[str, list[Any]] = {n: [v.get(n) for v in objects] for n in names}
    return Rows(columns, len(objects), places(lambda: lines), problems, block.end_byte)


def _decoded(line: bytes) -> str:
    return line[:200].decode(errors="replace").strip()
