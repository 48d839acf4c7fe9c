"""Parquet files -> blocks of rows, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from netra.ingest.problems import Problems, refuse
from netra.ingest.rows import Rows

#: A batch holds at most this many rows, and about this many bytes.
BATCH_ROWS = 50_000
BATCH_BYTES = 32 << 20
#: `PAR1` stands at both ends of a file.
_HEADER_BYTES = 4


def open_file(path: Path, source: str) -> pq.ParquetFile:
    """The file, opened.

    Raises:
        InvalidEvents: it is cut short or broken.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        file.seek(max(_HEADER_BYTES, size - _HEADER_BYTES))
        whole = file.read() == b"PAR1"
    if not whole:
        refuse(
            source,
            "end of the file",
            "the Parquet file is cut short: its footer is missing; send it again in full",
            f"{size:,} bytes",
            "a file that ends with PAR1",
        )
    try:
        return pq.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowException, OSError) as e:
        refuse(source, "footer", f"the Parquet file is broken: {e}; write it again")


def read(path: Path, problems: Problems) -> Iterator[Rows]:
    """The file's rows in blocks.

    Raises:
        InvalidEvents: the file is broken.
    """
    first, size = 1, path.stat().st_size
    with open_file(path, problems.source) as file:
        batches = file.iter_batches(batch_size=_batch_rows(file))
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as e:
                refuse(
                    problems.source,
                    f"after row {first - 1}",
                    f"the Parquet file is broken: {e}; write it again, or send it again in full",
                )
            if batch is None:
                return
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            place = partial(_place, first)
            first += batch.num_rows
            end_byte = size * (first - 1) // file.metadata.num_rows
            yield Rows(columns, batch.num_rows, place, problems, end_byte)


def _place(first: int, i: int) -> str:
    return f"row {first + i}"


def _batch_rows(file: pq.ParquetFile) -> int:
    """As many rows as make a batch: long lists make few."""
    meta = file.metadata
    if not meta.num_rows:
        return BATCH_ROWS
    cells = sum(
        meta.row_group(g).column(c).num_values
        for g in range(meta.num_row_groups)
        for c in range(meta.num_columns)
    )
    encoded = sum(meta.row_group(g).total_byte_size for g in range(meta.num_row_groups))
    bytes_per_row = max(8 * cells, encoded) / meta.num_rows
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES / bytes_per_row)))
