"""The demand schema in Arrow: what formats of demand series are read into."""

from __future__ import annotations

import pyarrow as pa

from netra.models.event_arrow import TIMESTAMP

#: One field per column of `DEMAND_COLUMNS`.
DEMAND_SCHEMA = pa.schema(
    [
        pa.field("point_id", pa.string(), nullable=False),
        pa.field("ts", TIMESTAMP, nullable=False),
        pa.field("series", pa.string(), nullable=False),
        pa.field("rate", pa.float64(), nullable=False),
        pa.field("cv", pa.float64()),
    ]
)
#: What a file is read into: the point, and its place in the order of arrival.
DEMAND_TRACE_SCHEMA = DEMAND_SCHEMA.append(pa.field("row", pa.uint64(), nullable=False))
