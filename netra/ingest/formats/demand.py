"""Demand series: a rate at a time, of one of several series. No requests are in it.

`rate` is a mean over the window that begins at the time, in requests (or whatever is counted) per
second. The time is called `ts`, `time` or `t`: RFC 3339, or a number of seconds; if the first lies
in 1970, all count from an unknown start. The series is called `series`, `client` or `name`.
ServeGen's clients (https://github.com/alibaba/ServeGen, Apache-2.0) come so, with a `cv`.
"""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa

from netra.ingest.convert import NUMBER, TEXT
from netra.ingest.format import Container, RowKind
from netra.ingest.rows import Rows
from netra.ingest.timestamps import MOMENT
from netra.models.event import EVENT_COLUMN_NAMES

_TIMES = ("ts", "time", "t")
_SERIES = ("series", "client", "name")
#: With one of these the rows are requests, whatever else they carry.
_OF_REQUESTS = frozenset(EVENT_COLUMN_NAMES) - {"ts"}


class Demand:
    required = ("rate",)
    relative = None
    kind: RowKind = "demand"

    def __init__(self, container: Container) -> None:
        self.container: Container = container
        self.name = f"demand-{container}"
        self.aliases: tuple[str, ...] = ()
        self.about = (
            "Rates of several series, in equal windows"
            f" ({container.upper() if container != 'parquet' else 'Parquet'})"
        )
        self.types: dict[str, pa.DataType] = (
            {"rate": pa.float64(), "cv": pa.float64()} if container == "csv" else {}
        )

    def lacks(self, columns: Collection[str]) -> list[str]:
        """What the columns lack to be of this format."""
        missing = [name for name in self.required if name not in columns]
        for names in (_TIMES, _SERIES):
            if not any(name in columns for name in names):
                missing.append(" or ".join(names))
        return missing

    def fits(self, columns: Collection[str]) -> bool:
        """Whether the columns show this format, when none is named."""
        return not self.lacks(columns) and not _OF_REQUESTS & set(columns)

    def events(self, rows: Rows) -> dict[str, pa.Array]:
        """Columns of `models.demand`; their ids follow from series and time."""
        return {
            "ts": rows.get(_first(_TIMES, rows), MOMENT, required=True),
            "series": rows.get(_first(_SERIES, rows), TEXT, required=True),
            "rate": rows.get("rate", NUMBER, required=True),
            "cv": rows.get("cv", NUMBER),
        }


def _first(names: tuple[str, ...], rows: Rows) -> str:
    return next(name for name in names if name in rows.columns)
