"""Reads a trace file with no store at all: for `netra analyze`, tests and benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netra.ingest.schema import select
from netra.ingest.trace import Trace, TraceInfo
from netra.models.demand_arrow import DEMAND_SCHEMA, DEMAND_TRACE_SCHEMA

#: Rows of a batch that `events` hands out.
_BATCH_ROWS = 16_384


def read(
    path: Path,
    format: str | None = None,
    start: datetime | None = None,
    *,
    lenient: bool = False,
) -> tuple[TraceInfo, Iterator[pa.RecordBatch]]:
    """The trace's events in file order, in batches of `schema.TRACE_SCHEMA`, in bounded memory.

    Raises:
        InvalidInput, InvalidEvents: see `Trace`; while iterating too.
    """
    trace = Trace(path, format=format, start=start, lenient=lenient)
    return trace.info, (piece.batch for piece in trace.pieces)


def events(
    path: Path,
    columns: Sequence[str],
    format: str | None = None,
    start: datetime | None = None,
    *,
    lenient: bool = False,
    repeated: Callable[[int], None] | None = None,
) -> tuple[TraceInfo, int, Callable[[], Iterator[pa.RecordBatch]]]:
    """The trace as a workload's events: as `store.events.stream` gives them once it is ingested.

    Keeps `columns` of the whole trace in memory, ordered by (ts, row), repeated event ids left
    out. Returns what the trace is, how many events it has, and a function that streams them.

    Args:
        repeated: told how many rows were left out, if any were: as with an ingest's duplicates,
            the first row of an id counts, whatever the others hold.

    Raises:
        InvalidInput, InvalidEvents: see `Trace`.
    """
    info, batches = read(path, format, start, lenient=lenient)
    kept = list(dict.fromkeys((*columns, "ts", "event_id")))
    table = pa.Table.from_batches([_with_derived(batch).select(kept) for batch in batches])
    order = _first_of_each(table["event_id"])
    if order is not None and repeated is not None:
        repeated(table.num_rows - len(order))
    ts = pc.cast(table["ts"], pa.int64()).to_numpy()
    if order is None and bool((ts[1:] >= ts[:-1]).all()):
        ordered = table
    else:
        rows = np.arange(len(ts)) if order is None else order
        rows = rows[np.argsort(ts[rows], kind="stable")]
        ordered = _Taken(table, pa.array(rows))
    schema = select(columns)

    def stream() -> Iterator[pa.RecordBatch]:
        for batch in ordered.to_batches(_BATCH_ROWS):
            yield batch.select(schema.names)

    return info, ordered.num_rows, stream


def looked_at(path: Path, format: str | None = None, start: datetime | None = None) -> TraceInfo:
    """What the trace is, from its first block.

    Raises:
        InvalidInput, InvalidEvents: see `Trace`.
    """
    return Trace(path, format=format, start=start).info


def demand(
    path: Path,
    format: str | None = None,
    start: datetime | None = None,
    *,
    repeated: Callable[[int], None] | None = None,
) -> tuple[TraceInfo, Callable[[], Iterator[pa.RecordBatch]]]:
    """The file's demand points, as `store.demand.stream` gives them once they are ingested.

    Args:
        repeated: told how many rows were left out, if any were: the first row of a series and time
            counts, whatever rate the others hold.

    Raises:
        InvalidInput, InvalidEvents: see `Trace`.
    """
    info, batches = read(path, format, start)
    table = pa.Table.from_batches(list(batches), DEMAND_TRACE_SCHEMA)
    first = _first_of_each(table["point_id"])
    if first is not None:
        if repeated is not None:
            repeated(table.num_rows - len(first))
        table = table.take(pa.array(first))
    table = table.sort_by([("ts", "ascending"), ("row", "ascending")])

    def stream() -> Iterator[pa.RecordBatch]:
        yield from table.select(DEMAND_SCHEMA.names).to_batches(_BATCH_ROWS)

    return info, stream


def _with_derived(batch: pa.RecordBatch) -> pa.RecordBatch:
    """With what ClickHouse computes when it is asked (`models.event.DERIVED_COLUMNS`)."""
    blocks = pc.cast(pc.list_value_length(batch["prefix_hashes"]), pa.uint32())
    return batch.append_column("prefix_blocks", blocks)


def _first_of_each(ids: pa.ChunkedArray) -> np.ndarray | None:
    """The row of each id's first occurrence, in file order, or None if no id is repeated."""
    codes = ids.combine_chunks().dictionary_encode()
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
    if len(codes.dictionary) == len(codes):
        return None
    _, first = np.unique(codes.indices.to_numpy(), return_index=True)
    return np.sort(first)


class _Taken:
    """Rows of a table in another order, gathered a batch at a time: no second copy of it all."""

    def __init__(self, table: pa.Table, rows: pa.Array) -> None:
        # Taking from a column of many chunks would join them anew for every batch.
        self._table = table.combine_chunks()
        self._rows = rows
        self.num_rows = len(rows)

    def to_batches(self, max_chunksize: int) -> Iterator[pa.RecordBatch]:
        for at in range(0, self.num_rows, max_chunksize):
            taken = self._table.take(self._rows.slice(at, max_chunksize))
            yield from taken.combine_chunks().to_batches()
