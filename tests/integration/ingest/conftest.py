"""A desk with the stores at hand, for tests of ingest and of what it leaves in the stores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from netra.ids import new_id
from netra.ingest.load import load
from netra.settings import Settings
from netra.store import clickhouse, events, ingest, postgres
from netra.store.ingest import Outcome
from netra.store.postgres import Connection

TENANT = "default"


@dataclass
class Desk:
    settings: Settings
    client: Client
    pg: Connection

    def workload(self) -> UUID:
        workload_id = new_id()
        self.pg.execute(
            "INSERT INTO workloads (id, tenant_id, name) VALUES (%s, %s, %s)",
            [workload_id, TENANT, f"test-{workload_id}"],
        )
        return workload_id

    def load(self, file: Path, workload_id: UUID, **options: Any) -> Outcome:
        return load(
            file,
            tenant_id=TENANT,
            workload_id=workload_id,
            client=self.client,
            pg=self.pg,
            **options,
        )

    def visible(self, workload_id: UUID) -> list[UUID]:
        return ingest.visible(self.pg, tenant_id=TENANT, workload_id=workload_id)

    def events(self, workload_id: UUID, *columns: str, **options: Any) -> pa.Table:
        """The visible events, in the reader's order."""
        batches = events.stream(
            self.client,
            tenant_id=TENANT,
            workload_id=workload_id,
            ingest_ids=self.visible(workload_id),
            columns=columns,
            **options,
        )
        found = list(batches)
        return pa.Table.from_batches(found) if found else pa.table({name: [] for name in columns})

    def stored(self, workload_id: UUID) -> int:
        """Rows of the workload in ClickHouse, visible or not."""
        query = "SELECT count() FROM workload_events WHERE workload_id = {id:UUID}"
        return self.client.query(query, {"id": str(workload_id)}).result_rows[0][0]

    def until_stored(self, workload_id: UUID, rows: int, patience_s: float = 60.0) -> None:
        """Waits for deletions, which happen in the background, to leave `rows`."""
        deadline = time.monotonic() + patience_s
        while (found := self.stored(workload_id)) != rows:
            assert time.monotonic() < deadline, f"{found} rows are left, not {rows}"
            time.sleep(0.05)

    def row(self, query: str, *values: Any) -> dict[str, Any]:
        found = self.pg.execute(query, values).fetchone()
        assert found is not None
        return found


@pytest.fixture(scope="session")
def clickhouse_client(store_settings: Settings) -> Iterator[Client]:
    client = clickhouse.connect(store_settings.clickhouse)
    yield client
    client.close()


@pytest.fixture
def desk(store_settings: Settings, clickhouse_client: Client) -> Iterator[Desk]:
    with postgres.connect(store_settings.database, "test") as pg:
        yield Desk(store_settings, clickhouse_client, pg)


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    """Makes a file of events from `(second, id, input_tokens)`."""

    def make(rows: list[tuple[int, str, int]], name: str = "events.csv") -> Path:
        lines = [f"{1735689600 + second},{id_},{tokens}" for second, id_, tokens in rows]
        path = tmp_path / name
        path.write_text("\n".join(["ts,event_id,input_tokens", *lines]) + "\n")
        return path

    return make
