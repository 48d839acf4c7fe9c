"""New rows of ClickHouse, kept between its backups: each ingest's, and each result's tables.

ClickHouse has no log that could be shipped. But its rows are written once and named by who wrote
them, and PostgreSQL says who is done: so what became visible since the last look is copied out,
one file an ingest, and one for all tables that stages wrote meanwhile.

    rows/TABLE/SINCE~INGEST~ROWS~SHA256.native.gz

What is named otherwise is none of it, and is passed over.
"""

from __future__ import annotations

import gzip
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, LiteralString, cast
from uuid import UUID

from netra.backup import manifest as manifests
from netra.backup import strays
from netra.backup.destination import Destination
from netra.ids import new_id
from netra.store import clickhouse, series
from netra.store import ingest as ingests
from netra.store.postgres import Connection, unavailable
from netra.store.tables import ALL

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

#: A transaction may have begun so long before it became visible.
OVERLAP = timedelta(minutes=2)
_FOLDER = "rows"
_NAME = re.compile(
    r"(?P<at>\d{8}T\d{12})~(?P<writer>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})~(?P<rows>\d+)"
    r"~(?P<sha256>[0-9a-f]+)\.native\.gz"
)
#: Stages whose tables go into one file.
_STAGES = 500


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A file of rows as it is kept."""

    table: str
    #: When the writer was done, as PostgreSQL says.
    at: datetime
    #: The id that its rows carry; of tables of results, the file's own.
    writer: UUID
    rows: int
    sha256: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Writer:
    """An ingest whose rows are visible."""

    id: UUID
    tenant_id: str
    workload_id: UUID
    #: How many rows it has.
    events: int
    at: datetime


def visible_since(pg: Connection, since: datetime | None) -> list[Writer]:
    """The ingests that became visible after `since` (None: ever), by the ids of their rows."""
    with unavailable():
        found = pg.execute(_VISIBLE, {"since": since}).fetchall()
    return [
        Writer(
            id=ingests.rewritten(row["id"]) if row["duplicates"] else row["id"],
            tenant_id=row["tenant_id"],
            workload_id=row["workload_id"],
            events=row["events"],
            at=row["finished_at"],
        )
        for row in found
    ]


def send(
    client: Client,
    pg: Connection,
    destination: Destination,
    since: datetime,
    scratch: Path,
    beat: Callable[[], None],
) -> int:
    """Keeps the rows that became visible after `since` and are not kept yet; how many files.

    `beat` is called after each file: there may be hours of them.
    """
    writers = visible_since(pg, since)
    if not writers:
        return 0  # and what is kept need not be listed
    kept = {k.writer for table in ALL for k in listed(destination, table.name)}
    sent = 0
    for writer in writers:
        if writer.id not in kept:
            _send_ingest(client, destination, writer, scratch)
            beat()
            sent += 1
    return sent


def send_results(
    client: Client,
    pg: Connection,
    destination: Destination,
    since: datetime,
    sent: set[tuple[UUID, int]],
    scratch: Path,
) -> set[tuple[UUID, int]]:
    """Keeps the tables of stages that ended after `since`, but for those in `sent`.

    Returns the stages (and attempts) of the time looked at: give them back the next time.
    """
    with unavailable():
        found = pg.execute(_RESULTS, {"since": since - OVERLAP}).fetchall()
    new = [row for row in found if (row["stage_id"], row["attempt"]) not in sent]
    for at in range(0, len(new), _STAGES):
        part = new[at : at + _STAGES]
        # The key of the table begins with tenant and job: so only their parts of it are read.
        jobs = ", ".join(sorted({f"'{row['job_id']}'" for row in part}))
        stages = ", ".join(f"('{row['stage_id']}', {row['attempt']})" for row in part)
        where = f"job_id IN ({jobs}) AND (stage_id, attempt) IN ({stages})"
        newest = max(row["created_at"] for row in part)
        _send(client, destination, series.TABLE, where, newest, new_id(), scratch)
    return {(row["stage_id"], row["attempt"]) for row in found}


def listed(destination: Destination, table: str) -> list[Kept]:
    """What is kept of a table, oldest first."""
    found: list[Kept] = []
    for name in destination.names(f"{_FOLDER}/{table}"):
        if kept := _kept(table, name):
            found.append(kept)
        else:
            strays.tell(destination, name)
    return found


def tables() -> Iterator[str]:
    yield from (table.name for table in ALL)
    yield series.TABLE


def put_back(client: Client, destination: Destination, kept: Kept, scratch: Path) -> None:
    """Inserts the rows of a file.

    Raises:
        BackupDamaged: the file is not the one that was written; nothing was inserted.
        StoreUnavailable: ClickHouse does not answer.
    """
    packed, plain = scratch / "rows.gz", scratch / "rows"
    manifests.fetch_kept(destination, kept.name, kept.sha256, packed)
    with gzip.open(packed) as source, plain.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    with clickhouse.unavailable(), plain.open("rb") as rows:
        client.raw_insert(kept.table, insert_block=rows, fmt="Native")
    plain.unlink()


def counted(client: Client, table: str) -> dict[UUID, int]:
    """The rows of each ingest that has some in a table. Scans one well-compressed column."""
    query = f"SELECT ingest_id, count() FROM {table} GROUP BY ingest_id"  # noqa: S608
    with clickhouse.unavailable():
        return {writer: n for writer, n in client.query(query).result_rows}


def _send_ingest(client: Client, destination: Destination, writer: Writer, scratch: Path) -> None:
    where = (
        f"tenant_id = {_quoted(writer.tenant_id)} AND workload_id = '{writer.workload_id}'"
        f" AND ingest_id = '{writer.id}'"
    )
    for table in ALL:
        if _send(client, destination, table.name, where, writer.at, writer.id, scratch):
            return


def _send(
    client: Client,
    destination: Destination,
    table: str,
    where: str,
    at: datetime,
    writer: UUID,
    scratch: Path,
) -> int:
    with clickhouse.unavailable():
        found = client.query(f"SELECT count() FROM {table} WHERE {where}")  # noqa: S608
        rows: int = found.result_rows[0][0]
        if not rows:
            return 0
        packed = scratch / f"{writer}.gz"
        query = f"SELECT * FROM {table} WHERE {where}"  # noqa: S608
        answer = cast(BinaryIO, client.raw_stream(query, fmt="Native"))
        with answer, gzip.open(packed, "wb", compresslevel=1) as target:
            shutil.copyfileobj(answer, target, 1 << 20)
    moment = f"{at.astimezone(UTC):%Y%m%dT%H%M%S%f}"
    name = f"{moment}~{writer}~{rows}~{manifests.sha256(packed)}.native.gz"
    destination.put(f"{_FOLDER}/{table}/{name}", packed)
    packed.unlink()
    return rows


def _kept(table: str, name: str) -> Kept | None:
    """None if it is not the name of such a file."""
    if name.count("/") != 2 or not (read := _NAME.fullmatch(name.rpartition("/")[2])):
        return None
    try:
        at = datetime.strptime(read["at"], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Kept(
        table=table,
        at=at,
        writer=UUID(read["writer"]),
        rows=int(read["rows"]),
        sha256=read["sha256"],
        name=name,
    )


def missing(writers: Iterable[Writer], counts: dict[UUID, int]) -> list[Writer]:
    """The visible ingests that have fewer rows than they should."""
    return [w for w in writers if counts.get(w.id, 0) < w.events]


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_VISIBLE: LiteralString = """
    SELECT id, tenant_id, workload_id, events, duplicates, finished_at FROM ingests i
    WHERE state = 'visible' AND events > 0
      AND (%(since)s::timestamptz IS NULL OR finished_at > %(since)s)
      AND EXISTS (SELECT 1 FROM workloads w WHERE w.id = i.workload_id AND w.deleted_at IS NULL)
    ORDER BY finished_at, id
"""
# By way of the facts: they are indexed by time.
_RESULTS: LiteralString = """
    SELECT r.stage_id, r.attempt, r.job_id, r.created_at FROM facts f
    JOIN stages s ON s.job_id = f.job_id AND s.name = f.stage
    JOIN stage_results r ON r.stage_id = s.id
    WHERE f.kind = 'stage.succeeded' AND f.ts > %(since)s AND r.tables <> '[]'
"""
