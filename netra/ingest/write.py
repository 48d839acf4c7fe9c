"""Writes events as files of Netra's own schema: CSV, JSONL or Parquet. `read` reads them back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from netra.errors import InvalidInput
from netra.ingest.attributes import items
from netra.ingest.format import Container
from netra.ingest.hashes import lists_like
from netra.ingest.schema import ATTRIBUTES, EVENT_SCHEMA, HASHES, TIMESTAMP

_CONTAINERS: dict[str, Container] = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
_RFC_3339 = "%Y-%m-%dT%H:%M:%SZ"


def container_of(path: Path) -> Container:
    """The container that the name of `path` says.

    Raises:
        InvalidInput: it says none.
    """
    if path.suffix not in _CONTAINERS:
        raise InvalidInput(
            f"cannot tell the format of {path.name!r}; name it {', '.join(_CONTAINERS)}"
        )
    return _CONTAINERS[path.suffix]


def write_events(
    path: Path,
    batches: Iterable[pa.RecordBatch],
    container: Container | None = None,
    columns: Sequence[str] = EVENT_SCHEMA.names,
) -> int:
    """Writes the `columns` of `batches` (of the event schema) and returns how many rows.

    Raises:
        InvalidInput: `container` is not given, and the path's name does not say it.
    """
    schema = pa.schema([EVENT_SCHEMA.field(name) for name in columns])
    opened = _WRITERS[container or container_of(path)](path, schema)
    rows = 0
    with opened as write:
        for batch in batches:
            write(batch.select(schema.names).cast(schema))
            rows += batch.num_rows
    return rows


_Write = Callable[[pa.RecordBatch], None]


class _Parquet(AbstractContextManager[_Write]):
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def __enter__(self) -> _Write:
        return self._writer.write_batch

    def __exit__(self, *_: object) -> None:
        self._writer.close()


class _Csv(AbstractContextManager[_Write]):
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        as_text = {TIMESTAMP: pa.string(), HASHES: pa.string(), ATTRIBUTES: pa.string()}
        self._schema = pa.schema([(f.name, as_text.get(f.type, f.type)) for f in schema])
        self._writer = pacsv.CSVWriter(str(path), self._schema)

    def __enter__(self) -> _Write:
        return self._write

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def _write(self, batch: pa.RecordBatch) -> None:
        columns = [_cells(array) for array in batch.columns]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))


def _cells(array: pa.Array) -> pa.Array:
    """A column as it stands in a CSV file, before quoting."""
    if array.type == TIMESTAMP:
        return pc.strftime(array, _RFC_3339)
    if array.type == HASHES:
        numbers = lists_like(array, pc.list_flatten(array).cast(pa.string()))
        text = pc.binary_join_element_wise("[", pc.binary_join(numbers, ","), "]", "")
        return pc.if_else(pc.equal(pc.list_value_length(array), 0), None, text)
    if array.type == ATTRIBUTES:
        if not items(array)[0].any():
            return pa.nulls(len(array), pa.string())
        maps = [msgspec.json.encode(dict(m)).decode() if m else None for m in array.to_pylist()]
        return pa.array(maps, pa.string())
    return array


class _Jsonl(AbstractContextManager[_Write]):
    def __init__(self, path: Path, _: pa.Schema) -> None:
        self._file = path.open("wb")
        self._encoder = msgspec.json.Encoder()

    def __enter__(self) -> _Write:
        return self._write

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _write(self, batch: pa.RecordBatch) -> None:
        columns = {
            f.name: pc.strftime(array, _RFC_3339) if f.type == TIMESTAMP else array
            for f, array in zip(batch.schema, batch.columns, strict=True)
        }
        rows = pa.RecordBatch.from_pydict(columns).to_pylist()
        lines = [self._encoder.encode(_known(row)) + b"\n" for row in rows]
        self._file.write(b"".join(lines))


def _known(row: dict[str, Any]) -> dict[str, Any]:
    """What the event says, the rest left out."""
    if row.get("attributes"):
        row["attributes"] = dict(row["attributes"])
    return {name: value for name, value in row.items() if value is not None and value != []}


_WRITERS = {"parquet": _Parquet, "csv": _Csv, "jsonl": _Jsonl}
