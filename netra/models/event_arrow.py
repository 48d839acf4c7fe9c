"""The event schema in Arrow: what formats are read into, and what readers stream."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from netra.models.event import DERIVED_COLUMNS, EVENT_COLUMNS, OWNER_COLUMNS, Column

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


def plain_type(type_: str) -> str:
    """A ClickHouse type without `LowCardinality` and `Nullable`."""
    for wrapper in ("LowCardinality(", "Nullable("):
        if type_.startswith(wrapper):
            type_ = type_.removeprefix(wrapper).removesuffix(")")
    return type_


def _field(column: Column) -> pa.Field:
    return pa.field(column.name, _TYPES[plain_type(column.type)], "Nullable(" in column.type)


#: One field per event column, in the order of `EVENT_COLUMNS`.
EVENT_SCHEMA = pa.schema([_field(c) for c in EVENT_COLUMNS])
#: What a trace is read into: the event, and its place in the order of arrival.
TRACE_SCHEMA = EVENT_SCHEMA.append(_field(next(c for c in OWNER_COLUMNS if c.name == "row")))


_READABLE = {field.name: field for field in TRACE_SCHEMA} | {
    name: _field(column) for name, (column, _) in DERIVED_COLUMNS.items()
}


def select(names: Iterable[str]) -> pa.Schema:
    """The part of what can be read that is called `names`, in that order."""
    return pa.schema([_READABLE[name] for name in names])
