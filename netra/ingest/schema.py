"""Batches of the event schema from the columns that a trace knows."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from netra.models.event_arrow import (
    ATTRIBUTES,
    EVENT_SCHEMA,
    HASHES,
    TIMESTAMP,
    TRACE_SCHEMA,
    select,
)

__all__ = [
    "ATTRIBUTES",
    "EVENT_SCHEMA",
    "HASHES",
    "TIMESTAMP",
    "TRACE_SCHEMA",
    "assemble",
    "select",
    "unknown",
]


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
