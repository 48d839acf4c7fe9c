"""Which rows of a new ingest are new events, in bounded memory, and only those kept.

Ids are compared in buckets of about `_BUCKET_ROWS`, so that ClickHouse holds one bucket's ids at
a time, however large the workload.
"""

# ruff: noqa: S608 - the text is put together from names in this code and from UUIDs
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from netra.store.clickhouse import unavailable
from netra.store.events import Scope
from netra.store.tables import EVENTS, Table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_BUCKET_ROWS = 2_000_000
#: Small blocks: rows with long hash lists are moved as well.
_MOVE_SETTINGS = {
    "max_threads": 1,
    "max_insert_threads": 1,
    "min_insert_block_size_rows": 50_000,
    "min_insert_block_size_bytes": 64 << 20,
}


def buckets(rows: int) -> int:
    """In how many parts to compare the ids of `rows` rows."""
    return max(1, -(-rows // _BUCKET_ROWS))


def count(client: Client, scope: Scope, table: Table = EVENTS) -> int:
    """How many rows the ingests in `scope` have."""
    with unavailable():
        query = f"SELECT count() FROM {table.name} WHERE {scope.sql()}"
        return client.query(query, scope.parameters()).result_rows[0][0]


def count_new(
    client: Client,
    fresh: Scope,
    seen: Scope,
    parts: int,
    check: Callable[[], None],
    table: Table = EVENTS,
) -> int:
    """How many different event ids of `fresh` are not in `seen`. Calls `check` before each part.

    Raises:
        StoreUnavailable: ClickHouse does not answer.
    """
    total = 0
    for part in range(parts):
        check()
        query = f"SELECT count() FROM ({_new_ids(table, fresh, seen, table.id, part, parts)})"
        with unavailable():
            total += client.query(query, fresh.parameters()).result_rows[0][0]
    return total


def keep_new(
    client: Client,
    fresh: Scope,
    seen: Scope,
    target: Scope,
    parts: int,
    check: Callable[[], None],
    table: Table = EVENTS,
) -> None:
    """Copies the first row of each new event of `fresh` to the ingest of `target`.

    Raises:
        StoreUnavailable: ClickHouse does not answer.
    """
    (ingest_id,) = target.ingest_ids
    kept = ", ".join(("tenant_id", "workload_id", "row", *table.columns))
    for part in range(parts):
        check()
        # Rows are numbered through, so the numbers of the rows to keep make a small set.
        first_rows = _new_ids(table, fresh, seen, "min(row)", part, parts)
        statement = (
            f"INSERT INTO {table.name} (ingest_id, {kept}) SELECT toUUID('{ingest_id}'), {kept}"
            f" FROM {table.name} WHERE {fresh.sql()} AND row IN ({first_rows})"
        )
        with unavailable():
            client.command(statement, fresh.parameters(), settings=_MOVE_SETTINGS)


def _new_ids(table: Table, fresh: Scope, seen: Scope, what: str, part: int, parts: int) -> str:
    """A query of one row for each id of `fresh` that is not in `seen`."""
    bucket = f" AND sipHash64({table.id}) % {parts} = {part}" if parts > 1 else ""
    query = f"SELECT {what} FROM {table.name} WHERE {fresh.sql()}{bucket} GROUP BY {table.id}"
    if seen.ingest_ids:
        known = f"SELECT {table.id} FROM {table.name} WHERE {seen.sql()}{bucket}"
        query += f" HAVING {table.id} NOT IN ({known})"
    return query
