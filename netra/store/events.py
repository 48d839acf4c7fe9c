"""Events in ClickHouse: insert, stream in time order, describe, delete.

Every row names the ingest that wrote it; PostgreSQL says which ingests are visible
(`store.ingest.visible`), and readers name them.
"""

# ruff: noqa: S608 - the text is put together from names in this code and from UUIDs
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa

from netra.errors import InvalidInput, Problem
from netra.models.event import DERIVED_COLUMNS, EVENT_COLUMNS, READABLE_COLUMN_NAMES
from netra.models.event_arrow import plain_type, select
from netra.store.clickhouse import patiently, unavailable
from netra.store.tables import ALL, EVENTS, Table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

TABLE = EVENTS.name
#: Pages of about this many bytes are read at a time; so much is in memory, on both sides.
_PAGE_BYTES = 32 << 20
_FIRST_PAGE_ROWS = 4_096
_PAGE_ROWS = 262_144
#: A reader waits this long for a ClickHouse that restarts, seconds.
_PATIENCE_S = 30.0
#: Event columns by ClickHouse type, for the parameters of filters.
_TYPES = (
    {c.name: c.type for c in EVENT_COLUMNS}
    | {name: column.type for name, (column, _) in DERIVED_COLUMNS.items()}
    | {"row": "UInt64"}
)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which rows: a tenant's workload, and the ingests in it."""

    tenant_id: str
    workload_id: UUID
    ingest_ids: tuple[UUID, ...]

    def sql(self) -> str:
        """The condition, to be used with `parameters`."""
        # Ids stand in the text: as a parameter, thousands of them would not fit a URL.
        ids = ", ".join(f"'{UUID(str(i))}'" for i in self.ingest_ids)
        return (
            "tenant_id = {tenant_id:String} AND workload_id = {workload_id:UUID}"
            f" AND ingest_id IN ({ids})"
        )

    def parameters(self) -> dict[str, Any]:
        return {"tenant_id": self.tenant_id, "workload_id": str(self.workload_id)}


def insert(client: Client, batch: pa.RecordBatch, scope: Scope, table: Table = EVENTS) -> None:
    """Adds rows of the table's trace schema, written by the one ingest that `scope` names.

    Not repeated when the connection breaks: nobody could tell whether the rows are there.

    Raises:
        StoreUnavailable: ClickHouse does not answer.
    """
    with unavailable():
        client.insert_arrow(table.name, as_sent(batch, scope, table))


def as_sent(batch: pa.RecordBatch, scope: Scope, table: Table = EVENTS) -> pa.Table:
    """The rows as they are sent: with their owner, and without columns that say nothing."""
    (ingest_id,) = scope.ingest_ids
    owner = {
        "tenant_id": scope.tenant_id,
        "workload_id": str(scope.workload_id),
        "ingest_id": str(ingest_id),
    }
    # One dictionary entry instead of the same text on every row.
    index = pa.repeat(pa.scalar(0, pa.int8()), batch.num_rows)
    columns = {n: pa.DictionaryArray.from_arrays(index, pa.array([v])) for n, v in owner.items()}
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if not _says_nothing(array):
            # As plain text, the engine would read NULL as '' into LowCardinality columns.
            columns[name] = array.dictionary_encode() if name in table.low_cardinality else array
    return pa.table(columns)


def _says_nothing(array: pa.Array) -> bool:
    if pa.types.is_map(array.type) or pa.types.is_list(array.type):
        return array.offsets[-1] == array.offsets[0]
    return array.null_count == len(array)


def stream(
    client: Client,
    *,
    tenant_id: str,
    workload_id: UUID,
    ingest_ids: Sequence[UUID],
    columns: Sequence[str],
    where: Mapping[str, Any] | None = None,
) -> Iterator[pa.RecordBatch]:
    """The events of `ingest_ids`, ordered by (ts, row), as batches of the asked `columns`.

    `columns` are event columns or `row`. `where` keeps events whose columns equal the values
    given (None: is unknown; a list: is one of); `attributes.NAME` looks into the attributes.
    Reads page by page, each continuing after the last row seen, so memory is bounded and a
    restart of ClickHouse in between goes unnoticed.

    Raises:
        InvalidInput: a column does not exist.
        StoreUnavailable: ClickHouse stays away.
    """
    schema = _schema(columns)
    if not ingest_ids:
        return
    scope = Scope(tenant_id=tenant_id, workload_id=workload_id, ingest_ids=tuple(ingest_ids))
    yield from paged(client, EVENTS, scope, schema, *_filter(where or {}))


def paged(
    client: Client,
    table: Table,
    scope: Scope,
    schema: pa.Schema,
    condition: str = "",
    parameters: Mapping[str, Any] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Rows in `scope` that meet `condition`, ordered by (ts, row), as batches of `schema`.

    Raises:
        StoreUnavailable: ClickHouse stays away.
    """
    wanted = dict.fromkeys((*schema.names, "ts", "row"))
    selected = ", ".join(_expression(name) for name in wanted)
    # ts is compared twice: the first part lets the primary key skip what is before it.
    query = (
        f"SELECT {selected} FROM {table.name} WHERE {scope.sql()}{condition}"
        " AND ts >= fromUnixTimestamp64Micro({after_ts:Int64}, 'UTC')"
        " AND (ts > fromUnixTimestamp64Micro({after_ts:Int64}, 'UTC') OR row >= {from_row:UInt64})"
        " ORDER BY tenant_id, workload_id, ts, row LIMIT {rows:UInt64}"
    )
    position = {"after_ts": 0, "from_row": 0}
    rows = _FIRST_PAGE_ROWS
    while True:
        asked = {**scope.parameters(), **(parameters or {}), **position, "rows": rows}
        page = patiently(lambda asked=asked: _page(client, query, asked), _PATIENCE_S)
        if page.num_rows:
            yield from page.select(schema.names).cast(schema).to_batches()
        if page.num_rows < rows:
            return
        last = page.slice(page.num_rows - 1)
        position = {
            "after_ts": last["ts"].cast(pa.int64())[0].as_py(),
            "from_row": last["row"][0].as_py() + 1,
        }
        per_row = max(1, page.nbytes // page.num_rows)
        rows = max(1, min(_PAGE_ROWS, 4 * rows, _PAGE_BYTES // per_row))


def _expression(name: str) -> str:
    return f"{DERIVED_COLUMNS[name][1]} AS {name}" if name in DERIVED_COLUMNS else name


def _page(client: Client, query: str, parameters: dict[str, Any]) -> pa.Table:
    settings = {"output_format_arrow_low_cardinality_as_dictionary": 0}
    return client.query_arrow(query, parameters, settings, use_strings=True)


def _schema(columns: Sequence[str]) -> pa.Schema:
    for name in columns:
        if name not in READABLE_COLUMN_NAMES:
            known = ", ".join(READABLE_COLUMN_NAMES)
            raise InvalidInput(
                f"events have no column {name!r}",
                (Problem(where="columns", problem="unknown column", got=name, expected=known),),
            )
    return select(columns)


def _filter(where: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    parts: list[str] = []
    parameters: dict[str, Any] = {}
    for i, (name, value) in enumerate(where.items()):
        attribute = name.removeprefix("attributes.") if name.startswith("attributes.") else None
        if attribute is None:
            _schema([name])
            column, type_ = name, plain_type(_TYPES[name])
        else:
            parameters[f"key{i}"] = attribute
            column, type_ = f"attributes[{{key{i}:String}}]", "String"
            parts.append(
                f" AND {'NOT ' * (value is None)}mapContains(attributes, {{key{i}:String}})"
            )
        if value is None:
            parts.append("" if attribute else f" AND {column} IS NULL")
        elif isinstance(value, list | tuple):
            parts.append(f" AND {column} IN {{value{i}:Array({type_})}}")
            parameters[f"value{i}"] = list(value)
        else:
            parts.append(f" AND {column} = {{value{i}:{type_}}}")
            parameters[f"value{i}"] = value
    return "".join(parts), parameters


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a workload's events say, counted: what triage decides on."""

    events: int
    min_ts: datetime | None
    max_ts: datetime | None
    #: For each event column, how many events know it (not NULL; not empty for lists and maps).
    known: Mapping[str, int]
    #: How many different values these columns have, exactly.
    distinct: Mapping[str, int]
    #: The names of all attributes.
    attribute_names: tuple[str, ...]


DISTINCT_COLUMNS = (
    *("session_id", "user_id", "provider", "model", "app", "feature", "environment"),
    *("operation", "tool_name", "status", "error_code", "block_tokens"),
)


def describe(
    client: Client, *, tenant_id: str, workload_id: UUID, ingest_ids: Sequence[UUID]
) -> Description:
    """Counts what the events of `ingest_ids` know, in one pass.

    Raises:
        StoreUnavailable: ClickHouse stays away.
    """
    nested = ("prefix_hashes", "attributes")
    known = [f"countIf(notEmpty({n}))" if n in nested else f"count({n})" for n in _EVENT_NAMES]
    distinct = [f"uniqExact({name})" for name in DISTINCT_COLUMNS]
    if not ingest_ids:
        none = dict.fromkeys(_EVENT_NAMES, 0)
        return Description(
            events=0,
            min_ts=None,
            max_ts=None,
            known=none,
            distinct=dict.fromkeys(DISTINCT_COLUMNS, 0),
            attribute_names=(),
        )
    scope = Scope(tenant_id=tenant_id, workload_id=workload_id, ingest_ids=tuple(ingest_ids))
    query = (
        "SELECT count(), minOrNull(ts), maxOrNull(ts), groupUniqArrayArray(mapKeys(attributes)), "
        f"{', '.join(known + distinct)} FROM {TABLE} WHERE {scope.sql()}"
    )
    row = patiently(lambda: client.query(query, scope.parameters()).result_rows[0], _PATIENCE_S)
    counts = list(row[4:])
    return Description(
        events=row[0],
        min_ts=row[1],
        max_ts=row[2],
        known=dict(zip(_EVENT_NAMES, counts[: len(known)], strict=True)),
        distinct=dict(zip(DISTINCT_COLUMNS, counts[len(known) :], strict=True)),
        attribute_names=tuple(sorted(row[3])),
    )


_EVENT_NAMES = tuple(c.name for c in EVENT_COLUMNS)


def delete(client: Client, scope: Scope, *, wait: bool = False, table: Table = EVENTS) -> None:
    """Deletes the rows of some ingests; `wait` for it to be done (it cannot be lost either way).

    Raises:
        StoreUnavailable: ClickHouse does not answer.
    """
    if scope.ingest_ids:
        _delete(client, table, scope.sql(), scope.parameters(), wait)


def delete_workload(
    client: Client, *, tenant_id: str, workload_id: UUID, wait: bool = False
) -> None:
    """Deletes all rows of a workload, whatever ingest wrote them.

    Raises:
        StoreUnavailable: ClickHouse does not answer.
    """
    condition = "tenant_id = {tenant_id:String} AND workload_id = {workload_id:UUID}"
    owner = {"tenant_id": tenant_id, "workload_id": str(workload_id)}
    for table in ALL:
        _delete(client, table, condition, owner, wait)


def _delete(
    client: Client, table: Table, condition: str, parameters: dict[str, Any], wait: bool
) -> None:
    settings = {"lightweight_deletes_sync": 2 if wait else 0}
    with unavailable():
        client.command(f"DELETE FROM {table.name} WHERE {condition}", parameters, settings=settings)


def ingests_present(client: Client) -> dict[UUID, tuple[str, UUID]]:
    """Every ingest that has rows: its tenant and workload. Scans one well-compressed column.

    Raises:
        StoreUnavailable: ClickHouse stays away.
    """
    found: dict[UUID, tuple[str, UUID]] = {}
    for table in ALL:
        query = (
            "SELECT ingest_id, any(tenant_id), any(workload_id)"
            f" FROM {table.name} GROUP BY ingest_id"
        )
        rows = patiently(lambda query=query: client.query(query).result_rows, _PATIENCE_S)
        found |= {ingest_id: (tenant_id, workload_id) for ingest_id, tenant_id, workload_id in rows}
    return found
