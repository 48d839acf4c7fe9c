"""What is sent to ClickHouse, and how rows are named. No server is asked."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest

from netra.models.event_arrow import TRACE_SCHEMA
from netra.store import event_dedupe, ingest
from netra.store.events import Scope, as_sent

_WORKLOAD = UUID("0190b7a0-0000-7000-8000-000000000001")
_INGEST = UUID("0190b7a0-0000-7000-8000-000000000002")


def _batch(rows: int = 3) -> pa.RecordBatch:
    values = {
        "event_id": [f"e{i}" for i in range(rows)],
        "ts": pa.array(range(rows), TRACE_SCHEMA.field("ts").type),
        "model": ["m", None, "m"],
        "prefix_hashes": pa.array([[]] * rows, pa.list_(pa.uint64())),
        "attributes": pa.array([[], [("k", "v")], []], TRACE_SCHEMA.field("attributes").type),
        "row": pa.array(np.arange(rows), pa.uint64()),
    }
    arrays = [values.get(f.name, pa.nulls(rows, f.type)) for f in TRACE_SCHEMA]
    return pa.RecordBatch.from_arrays(
        [a if isinstance(a, pa.Array) else pa.array(a) for a in arrays], schema=TRACE_SCHEMA
    )


def test_rows_are_sent_with_their_owner_and_without_empty_columns() -> None:
    scope = Scope(tenant_id="t", workload_id=_WORKLOAD, ingest_ids=(_INGEST,))
    table = as_sent(_batch(), scope)
    assert table.column_names == [
        *("tenant_id", "workload_id", "ingest_id"),
        *("event_id", "ts", "model", "attributes", "row"),
    ]
    assert table["ingest_id"].to_pylist() == [str(_INGEST)] * 3
    assert table["model"].to_pylist() == ["m", None, "m"]
    assert pa.types.is_dictionary(table["model"].type)


def test_rows_have_one_writer() -> None:
    scope = Scope(tenant_id="t", workload_id=_WORKLOAD, ingest_ids=(_INGEST, _WORKLOAD))
    with pytest.raises(ValueError, match="too many"):
        as_sent(_batch(), scope)


def test_a_scope_takes_nothing_but_ids_into_its_text() -> None:
    scope = Scope(tenant_id="'", workload_id=_WORKLOAD, ingest_ids=("' OR 1",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="UUID"):
        scope.sql()


@pytest.mark.parametrize(("rows", "parts"), [(0, 1), (1, 1), (2_000_000, 1), (2_000_001, 2)])
def test_buckets_are_bounded(rows: int, parts: int) -> None:
    assert event_dedupe.buckets(rows) == parts


def test_the_id_of_rewritten_rows_is_another_and_always_the_same() -> None:
    assert ingest.rewritten(_INGEST) == ingest.rewritten(_INGEST)
    assert ingest.rewritten(_INGEST) not in (_INGEST, ingest.rewritten(_WORKLOAD))
