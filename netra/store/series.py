"""Series: the named tables of stage results, kept in ClickHouse as Arrow IPC streams in chunks.

Rows carry the stage's attempt; PostgreSQL says which attempt won, and readers name it.
"""

# ruff: noqa: S608 - the text is put together from names in this code and from UUIDs
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa

from netra.store.clickhouse import patiently, unavailable

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

TABLE = "stage_series"
#: Rows of a series in one chunk.
_CHUNK_ROWS = 65_536
_PATIENCE_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Writer:
    """One attempt of a stage."""

    tenant_id: str
    job_id: UUID
    stage_id: UUID
    attempt: int

    def parameters(self) -> dict[str, Any]:
        return {
            "tenant_id": self.tenant_id,
            "job_id": str(self.job_id),
            "stage_id": str(self.stage_id),
            "attempt": self.attempt,
        }


_OWNED = (
    "tenant_id = {tenant_id:String} AND job_id = {job_id:UUID}"
    " AND stage_id = {stage_id:UUID} AND attempt = {attempt:UInt32}"
)


def write(client: Client, writer: Writer, name: str, table: pa.Table) -> None:
    """Keeps `table` under `name`. Writing it again in the same attempt changes nothing.

    Raises:
        StoreUnavailable: ClickHouse does not answer.
    """
    chunks = list(_chunks(table))
    owner = writer.parameters()
    columns = {key: [owner[key]] * len(chunks) for key in ("tenant_id", "job_id", "stage_id")}
    rows = pa.table(
        {
            **columns,
            "attempt": pa.array([writer.attempt] * len(chunks), pa.uint32()),
            "name": [name] * len(chunks),
            "chunk": pa.array(range(len(chunks)), pa.uint32()),
            "rows": pa.array([chunk.num_rows for chunk in chunks], pa.uint64()),
            "arrow": pa.array([_encoded(chunk) for chunk in chunks], pa.binary()),
        }
    )
    with unavailable():
        client.insert_arrow(TABLE, rows)


def read(client: Client, writer: Writer, name: str) -> pa.Table | None:
    """The table that the attempt kept under `name`, or None.

    Raises:
        StoreUnavailable: ClickHouse stays away.
    """
    query = (
        f"SELECT arrow FROM {TABLE} WHERE {_OWNED} AND name = {{name:String}}"
        " ORDER BY chunk LIMIT 1 BY chunk"
    )
    parameters = {**writer.parameters(), "name": name}
    found = patiently(lambda: client.query_arrow(query, parameters, use_strings=False), _PATIENCE_S)
    if not found.num_rows:
        return None
    return pa.concat_tables(_decoded(value.as_py()) for value in found["arrow"])


def names(client: Client, writer: Writer) -> dict[str, int]:
    """The tables that the attempt kept, and their rows.

    Raises:
        StoreUnavailable: ClickHouse stays away.
    """
    query = (
        "SELECT name, sum(rows) FROM"
        f" (SELECT name, rows FROM {TABLE} WHERE {_OWNED} LIMIT 1 BY name, chunk)"
        " GROUP BY name ORDER BY name"
    )
    rows = patiently(lambda: client.query(query, writer.parameters()).result_rows, _PATIENCE_S)
    return {name: count for name, count in rows}


def delete_before(client: Client, first: Writer) -> None:
    """Deletes what the stage's attempts before `first.attempt` kept.

    Raises:
        StoreUnavailable: ClickHouse does not answer.
    """
    with unavailable():
        client.command(
            f"DELETE FROM {TABLE} WHERE tenant_id = {{tenant_id:String}}"
            " AND job_id = {job_id:UUID} AND stage_id = {stage_id:UUID}"
            " AND attempt < {attempt:UInt32}",
            first.parameters(),
        )


def _chunks(table: pa.Table) -> Iterator[pa.Table]:
    for at in range(0, max(1, table.num_rows), _CHUNK_ROWS):
        yield table.slice(at, _CHUNK_ROWS)


def _encoded(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _decoded(content: bytes) -> pa.Table:
    with pa.ipc.open_stream(content) as reader:
        return reader.read_all()
