"""Small trace files for the tests, and what reading them gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from netra.errors import InvalidEvents
from netra.ingest.trace import Trace


def read_rows(path: Path, **options: Any) -> list[dict[str, Any]]:
    """Each event as a dict of what it knows; attributes as a dict."""
    rows: list[dict[str, Any]] = []
    for piece in Trace(path, **options).pieces:
        piece.batch.validate(full=True)
        rows += piece.batch.to_pylist()
    for row in rows:
        row["attributes"] = dict(row["attributes"])
    return [{k: v for k, v in row.items() if v is not None and v not in ([], {})} for row in rows]


def read_table(path: Path, **options: Any) -> pa.Table:
    return pa.Table.from_batches([piece.batch for piece in Trace(path, **options).pieces])


def refusal(path: Path, **options: Any) -> InvalidEvents:
    """The error that reading the file ends with."""
    with pytest.raises(InvalidEvents) as caught:
        for _ in Trace(path, **options).pieces:
            pass
    return caught.value


def text(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path
