"""Demand series in ClickHouse, read back in time order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import pyarrow as pa

from netra.models.demand_arrow import DEMAND_SCHEMA
from netra.store.events import Scope, paged
from netra.store.tables import POINTS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def stream(
    client: Client, *, tenant_id: str, workload_id: UUID, ingest_ids: Sequence[UUID]
) -> Iterator[pa.RecordBatch]:
    """The points of `ingest_ids`, ordered by (ts, row); none for a workload of requests.

    Raises:
        StoreUnavailable: ClickHouse stays away.
    """
    if ingest_ids:
        scope = Scope(tenant_id=tenant_id, workload_id=workload_id, ingest_ids=tuple(ingest_ids))
        yield from paged(client, POINTS, scope, DEMAND_SCHEMA)
