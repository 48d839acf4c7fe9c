"""A trace file, opened: its format, and its events in batches, each with its place in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from netra.errors import InvalidInput, Problem
from netra.ingest import formats, head
from netra.ingest.containers import csv, jsonl, parquet
from netra.ingest.format import Format, RowKind
from netra.ingest.identity import Occurrences, event_ids, point_ids
from netra.ingest.problems import Problems, refuse
from netra.ingest.rows import Rows
from netra.ingest.schema import TRACE_SCHEMA, assemble
from netra.ingest.timestamps import CALENDAR_FROM_US, LATEST_START_US, anchored, to_us
from netra.models.demand_arrow import DEMAND_TRACE_SCHEMA

#: The longest line of a CSV or JSONL file unless a caller says otherwise.
MAX_LINE_BYTES = 8_000_000
#: A text block of short lines is cut into batches of about this many rows.
_BATCH_ROWS = 50_000


@dataclass(frozen=True, kw_only=True)
class TraceInfo:
    """What is known of a trace before its events are read."""

    #: What the sender calls the file.
    source: str
    #: The format's name.
    format: str
    #: What its rows are.
    kind: RowKind
    #: False: times count from an unknown start, so no calendar is claimed.
    anchored: bool
    #: The size of the file.
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some events of a trace, in file order."""

    #: Of `TRACE_SCHEMA`, or of `DEMAND_TRACE_SCHEMA` if the rows are rates.
    batch: pa.RecordBatch
    #: Bytes of the file up to here, about.
    end_byte: int


class Trace:
    """A file of events. `pieces` may be iterated once."""

    def __init__(
        self,
        path: Path,
        *,
        source: str = "",
        format: str | None = None,
        start: datetime | None = None,
        first_row: int = 0,
        max_line_bytes: int = MAX_LINE_BYTES,
        lenient: bool = False,
    ) -> None:
        """Opens the file and reads its first block.

        `start` anchors a trace with relative times. `first_row` is the number of the first row.
        `lenient` reads durations that make no sense as unknown, where the format knows how to.

        Raises:
            InvalidEvents: the file is empty, in no known format, or its first block is bad.
            InvalidInput: there is no such format, or `start` is given for a calendar trace, or is
                one that no event can have.
        """
        self._problems = Problems(source or path.name, lenient=lenient)
        seen = head.look(path, self._problems.source, max_line_bytes)
        self._format = formats.choose(seen, format)
        self._schema = DEMAND_TRACE_SCHEMA if self._format.kind == "demand" else TRACE_SCHEMA
        self._rows = _read(path, self._format, self._problems, max_line_bytes)
        self._occurrences = Occurrences()
        self._next_row = first_row
        self._first = self._first_columns()
        relative = self._is_relative()
        if start is not None and not relative:
            raise InvalidInput(
                "a start is for traces with relative times; this one has calendar times",
                (Problem(where="start", problem="leave it out", got=start.isoformat()),),
            )
        _check_start(start)
        self._relative = relative
        self._origin_us = to_us(start) if start else 0
        self.info = TraceInfo(
            source=self._problems.source,
            format=self._format.name,
            kind=self._format.kind,
            anchored=start is not None or not relative,
            bytes=path.stat().st_size,
        )

    @property
    def pieces(self) -> Iterator[Piece]:
        """The events. The whole file is looked at before a problem is raised.

        Raises:
            InvalidEvents: rows are bad; names the first 20, and how many in all.
        """
        found = self._first
        while found is not None:
            rows, columns = found
            if not self._problems.total:
                self._check_times(rows, columns["ts"])
                _check_parts(rows, columns)
            if not self._problems.total and rows.count:
                yield from self._finish(rows, columns)
            found = self._next_columns()
        self._problems.raise_if_any()

    def _first_columns(self) -> tuple[Rows, dict[str, pa.Array]] | None:
        found = self._next_columns()
        if found is None:
            self._problems.raise_if_any()
            refuse(self._problems.source, "file", "the file has no rows after its header; add some")
        return found

    def _next_columns(self) -> tuple[Rows, dict[str, pa.Array]] | None:
        rows = next(self._rows, None)
        return None if rows is None else (rows, self._format.events(rows))

    def _is_relative(self) -> bool:
        if self._format.relative is not None:
            return self._format.relative
        assert self._first is not None
        known = self._first[1]["ts"].drop_null()
        return len(known) > 0 and known[0].value < CALENDAR_FROM_US

    def _check_times(self, rows: Rows, ts: pa.Array) -> None:
        if self._format.relative is None:
            early = pc.less(ts.cast(pa.int64()), CALENDAR_FROM_US)
            rows.note(
                pc.not_equal(early, self._relative),
                "ts",
                "the file mixes calendar times with times that count from 1970; send them apart",
                ts,
                "a time in 1970" if self._relative else "a time after 1970",
            )

    def _finish(self, rows: Rows, columns: dict[str, pa.Array]) -> Iterator[Piece]:
        if self._origin_us:
            columns = {**columns, "ts": anchored(columns["ts"], self._origin_us)}
        first, self._next_row = self._next_row, self._next_row + rows.count
        numbers = pa.arange(first, self._next_row).cast(pa.uint64())
        given = self._schema.names[0] in columns
        empty = {} if given else {self._schema.names[0]: pa.repeat("", rows.count)}
        batch = assemble({**columns, **empty, "row": numbers}, rows.count, self._schema)
        if not given:
            batch = batch.set_column(0, self._schema.field(0), self._ids(batch))
        step = -(-rows.count // -(-rows.count // _BATCH_ROWS))
        for at in range(0, rows.count, step):
            yield Piece(batch=batch.slice(at, step), end_byte=rows.end_byte)

    def _ids(self, batch: pa.RecordBatch) -> pa.Array:
        if self._format.kind == "demand":
            return point_ids(batch)
        return event_ids(batch, self._occurrences)


def _check_start(start: datetime | None) -> None:
    """Raises InvalidInput for a start that would put events where no time can be kept."""
    if start is None or CALENDAR_FROM_US <= to_us(start) < LATEST_START_US:
        return
    problem = Problem(
        where="start", problem="out of range", got=start.isoformat(), expected="from 1971 to 2260"
    )
    raise InvalidInput("the trace cannot have begun then", [problem])


#: Counts that are part of another: no part is larger than the whole.
_PARTS = (("cached_input_tokens", "input_tokens"), ("reasoning_tokens", "output_tokens"))


def _check_parts(rows: Rows, columns: Mapping[str, pa.Array]) -> None:
    for part, whole in _PARTS:
        if part in columns and whole in columns:
            rows.note(
                pc.greater(columns[part], columns[whole]),
                part,
                f"is more than {whole}, which counts these tokens too",
                columns[part],
                f"at most {whole}",
            )


def _read(path: Path, fmt: Format, problems: Problems, max_line_bytes: int) -> Iterator[Rows]:
    if fmt.container == "csv":
        return csv.read(path, problems, max_line_bytes, fmt.types)
    if fmt.container == "jsonl":
        return jsonl.read(path, problems, max_line_bytes, fmt.types)
    return parquet.read(path, problems)
