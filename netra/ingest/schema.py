"""The event schema in Arrow: what every format is read into, and what the readers stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa

from netra.models.event import EVENT_COLUMNS, OWNER_COLUMNS, Column

#: Microseconds, UTC. Unanchored traces count from 1970.
TIMESTAMP = pa.timestamp("us", "UTC")
HASHES = pa.list_(pa.uint64())
ATTRIBUTES = pa.map_(pa.string(), pa.string())

_TYPES = {
    "String": pa.string(),
    "UUID": pa.string(),
    "DateTime64(6, 'UTC')": TIMESTAMP,
    "UInt32": pa.uint32(),
    "UInt64": pa.uint64(),
    "Float64": pa.float64(),
    "Array(UInt64)": HASHES,
    "Map(String, String)": ATTRIBUTES,
}


def _field(column: Column) -> pa.Field:
    name = column.type
    nullable = "Nullable(" in name
    for wrapper in ("LowCardinality(", "Nullable("):
        if name.startswith(wrapper):
            name = name.removeprefix(wrapper).removesuffix(")")
    return pa.field(column.name, _TYPES[name], nullable)


#: One field per event column, in the order of `EVENT_COLUMNS`.
EVENT_SCHEMA = pa.schema([_field(c) for c in EVENT_COLUMNS])
#: The place of an event in the order of arrival.
ROW_FIELD = _field(next(c for c in OWNER_COLUMNS if c.name == "row"))
#: What a trace is read into: the event and its place in the file.
TRACE_SCHEMA = EVENT_SCHEMA.append(ROW_FIELD)


def unknown(field: pa.Field, rows: int) -> pa.Array:
    """`rows` times "the trace does not say": NULL, or empty for lists and maps."""
    if field.type == HASHES:
        offsets = pa.repeat(pa.scalar(0, pa.int32()), rows + 1)
        return pa.ListArray.from_arrays(offsets, pa.array([], pa.uint64()))
    if field.type == ATTRIBUTES:
        offsets = pa.repeat(pa.scalar(0, pa.int32()), rows + 1)
        empty = pa.array([], pa.string())
        return pa.MapArray.from_arrays(offsets, empty, empty)
    return pa.nulls(rows, field.type)


def assemble(columns: Mapping[str, pa.Array], rows: int, schema: pa.Schema) -> pa.RecordBatch:
    """A batch of `schema` from the columns that are known; the others are unknown."""
    arrays = [columns[f.name] if f.name in columns else unknown(f, rows) for f in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def select(names: Iterable[str]) -> pa.Schema:
    """The part of the trace schema called `names`, in that order."""
    return pa.schema([TRACE_SCHEMA.field(name) for name in names])
