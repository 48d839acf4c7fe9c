"""Unknown stays unknown on its way through ClickHouse."""

from __future__ import annotations

from uuid import UUID

import pyarrow as pa

from netra.embedded.info import StackInfo
from netra.ids import new_id
from netra.ingest.schema import TRACE_SCHEMA
from netra.models.event import EVENT_COLUMNS
from netra.settings import Settings
from netra.store import clickhouse, events
from netra.store.events import Scope


def test_a_null_among_values_is_still_null(stores: StackInfo, store_settings: Settings) -> None:
    """One row that knows everything nullable, and one that knows nothing."""
    text = [c.name for c in EVENT_COLUMNS if "Nullable(String)" in c.type]
    full = {name: f"some {name}" for name in text}
    rows = [
        {"event_id": "full", "ts": 1, "prefix_hashes": [], "attributes": [], **full},
        {"event_id": "bare", "ts": 2, "prefix_hashes": [], "attributes": []},
    ]
    batch = pa.RecordBatch.from_pylist(
        [
            {field.name: row.get(field.name) for field in TRACE_SCHEMA} | {"row": i}
            for i, row in enumerate(rows)
        ],
        schema=TRACE_SCHEMA,
    )
    scope = Scope(tenant_id="default", workload_id=new_id(), ingest_ids=(new_id(),))
    client = clickhouse.connect(store_settings.clickhouse)
    try:
        events.insert(client, batch, scope)
        (read,) = events.stream(
            client,
            tenant_id="default",
            workload_id=UUID(str(scope.workload_id)),
            ingest_ids=scope.ingest_ids,
            columns=["event_id", *text],
        )
    finally:
        client.close()
    assert read.to_pylist() == [
        {"event_id": "full", **full},
        {"event_id": "bare", **dict.fromkeys(text)},
    ]
