"""Demand: ClickHouse `demand_points`, one row per series and time. A rate is no request."""

from __future__ import annotations

from netra.models.event import OWNER_COLUMNS, Column

#: What a demand series says about a time. `cv` may be unknown.
DEMAND_COLUMNS = (
    Column(name="point_id", type="String", doc="series and time: a series has one rate at a time"),
    Column(
        name="ts",
        type="DateTime64(6, 'UTC')",
        doc="when the window begins; since 1970 if unanchored",
    ),
    Column(name="series", type="LowCardinality(String)", doc="the client, tenant, model, …"),
    Column(name="rate", type="Float64", doc="mean over the window, per second"),
    Column(
        name="cv",
        type="Nullable(Float64)",
        doc="coefficient of variation of the times between requests",
    ),
)

DEMAND_COLUMN_NAMES = tuple(c.name for c in DEMAND_COLUMNS)

#: Every column of the table, its owner's first.
DEMAND_TABLE_COLUMNS = (*OWNER_COLUMNS, *DEMAND_COLUMNS)
