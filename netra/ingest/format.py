"""What a trace format is: a container, the columns it must have, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import pyarrow as pa

from netra.ingest.rows import Rows

Container = Literal["csv", "jsonl", "parquet"]
#: What a row is: one request, or a rate of requests at a time.
RowKind = Literal["requests", "demand"]


class Format(Protocol):
    """A trace format. One file each, in `netra/ingest/formats/`."""

    @property
    def name(self) -> str:
        """What `--format` calls it."""
        ...

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names that `--format` understands."""
        ...

    @property
    def about(self) -> str:
        """What it is, for a person, one line."""
        ...

    @property
    def container(self) -> Container: ...

    @property
    def kind(self) -> RowKind:
        """What a row is; says which columns `events` gives (`models.event`, `models.demand`)."""
        ...

    @property
    def required(self) -> tuple[str, ...]:
        """Columns without which a file is not of this format."""
        ...

    @property
    def types(self) -> Mapping[str, pa.DataType]:
        """Columns by the type in which Arrow may read them, if every value fits.

        In JSONL these are needed where Arrow would guess wrong; in CSV they save a second pass
        over the text.
        """
        ...

    @property
    def relative(self) -> bool | None:
        """Whether times count from the trace's own start. None: the file's first time decides."""
        ...

    def events(self, rows: Rows) -> dict[str, pa.Array]:
        """Event columns by name; `ts` of relative formats counts from 1970.

        What is wrong is noted in `rows.problems`. Columns that the format cannot know are left
        out. Without `event_id` the events get content hashes.
        """
        ...
