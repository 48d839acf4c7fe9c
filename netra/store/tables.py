"""The ClickHouse tables that ingests write: requests, and points of demand series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netra.models.demand import DEMAND_COLUMNS
from netra.models.event import EVENT_COLUMNS, Column


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table whose rows name the ingest that wrote them."""

    name: str
    #: What a row is known by within its workload: rows that share it are one.
    id: str
    #: Columns beside those of the owner.
    columns: tuple[str, ...]
    low_cardinality: frozenset[str]


def _table(name: str, columns: Sequence[Column]) -> Table:
    return Table(
        name=name,
        id=columns[0].name,
        columns=tuple(c.name for c in columns),
        low_cardinality=frozenset(c.name for c in columns if "LowCardinality" in c.type),
    )


EVENTS = _table("workload_events", EVENT_COLUMNS)
POINTS = _table("demand_points", DEMAND_COLUMNS)
#: Wherever an ingest may have left rows.
ALL = (EVENTS, POINTS)
