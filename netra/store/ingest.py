"""Ingests in PostgreSQL: which one may write, and which are visible.

An ingest is `running`, then `visible` or `failed`, and nothing else ever happens to it. At most
one runs in a workload (unique index `ingests_running_key`). One whose heartbeat stopped is taken
over by the next; its own late `finish` is then refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID, uuid5

from psycopg.types.json import Jsonb

from netra.errors import Conflict, NetraError, NotFound, Problem
from netra.ids import new_id
from netra.store.postgres import Connection, unavailable

#: An ingest that gave no sign of life for this long is taken over, seconds.
STALE_S = 60.0


def gives_way(given_up_at: datetime) -> str:
    """When a running ingest whose process is gone stops being in the way, for a refusal."""
    at = given_up_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return f"if the process that runs it is gone, this ends by itself at {at}"


@dataclass(frozen=True, kw_only=True)
class Begun:
    """An ingest that may write now."""

    id: UUID
    #: Whether the workload has calendar times; None while it has no events.
    anchored: bool | None
    #: The ids that the rows of the ingests visible so far carry.
    visible: tuple[UUID, ...]
    #: Events visible so far.
    events: int
    #: The number of this ingest's first row: all rows ever sent come before it.
    first_row: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an ingest did. `rows = events + duplicates`."""

    ingest_id: UUID
    format: str
    anchored: bool
    #: Rows in the file.
    rows: int
    #: Events that were new.
    events: int
    duplicates: int
    min_ts: datetime | None
    max_ts: datetime | None


def rewritten(ingest_id: UUID) -> UUID:
    """The id under which an ingest's new events are written if some of its rows were not new."""
    return uuid5(ingest_id, "new events only")


def begin(
    pg: Connection,
    *,
    tenant_id: str,
    workload_id: UUID,
    source_name: str,
    content_hash: str,
    stale_s: float = STALE_S,
) -> Begun | Outcome:
    """Starts an ingest, or tells the outcome of sending the very same content again.

    Raises:
        NotFound: there is no such workload.
        Conflict: another ingest is running in it.
        StoreUnavailable: PostgreSQL does not answer.
    """
    owner = {"tenant_id": tenant_id, "workload_id": workload_id, "stale_s": stale_s}
    with unavailable(), pg.transaction():
        workload = pg.execute(_WORKLOAD, owner).fetchone()
        if workload is None:
            raise NotFound(f"there is no workload {workload_id}")
        same = pg.execute(_SAME, {**owner, "content_hash": content_hash}).fetchone()
        if same is not None:
            return _repeated(same, bool(workload["anchored"]))
        pg.execute(_TAKE_OVER, {**owner, "abandoned": Jsonb(_ABANDONED)})
        new = {**owner, "id": new_id(), "source_name": source_name, "content_hash": content_hash}
        if pg.execute(_BEGIN, new).fetchone() is None:
            raise _conflict(pg, owner)
        seen = pg.execute(_VISIBLE, owner).fetchall()
        return Begun(
            id=new["id"],
            anchored=workload["anchored"],
            visible=tuple(_rows_ids(seen)),
            events=sum(row["events"] for row in seen),
            first_row=sum(row["rows"] for row in seen),
        )


def heartbeat(pg: Connection, ingest_id: UUID) -> None:
    """Says that the ingest is alive.

    Raises:
        Conflict: it was taken over.
    """
    with unavailable(), pg.transaction():
        if pg.execute(_HEARTBEAT, {"id": ingest_id}).rowcount == 0:
            raise Conflict(_TAKEN_OVER)


def finish(pg: Connection, workload_id: UUID, outcome: Outcome) -> None:
    """Makes the ingest's events visible, all at once.

    Raises:
        Conflict: it was taken over, or the workload was deleted or got events of the other kind.
    """
    values = {
        "id": outcome.ingest_id,
        "workload_id": workload_id,
        "format": outcome.format,
        "anchored": outcome.anchored,
        "rows": outcome.rows,
        "events": outcome.events,
        "duplicates": outcome.duplicates,
        "min_ts": outcome.min_ts,
        "max_ts": outcome.max_ts,
    }
    with unavailable(), pg.transaction():
        if pg.execute(_COUNT_IN, values).rowcount == 0:
            raise Conflict(
                "the workload was deleted, or has times of the other kind, since the ingest began;"
                " nothing was ingested"
            )
        if pg.execute(_FINISH, values).rowcount == 0:
            raise Conflict(_TAKEN_OVER)


def fail(pg: Connection, ingest_id: UUID, error: BaseException) -> bool:
    """Ends a running ingest without a trace among the events. Returns whether it has failed now:
    False is one whose events are visible, so that they must stay."""
    values = {"id": ingest_id, "error": Jsonb(_described(error))}
    with unavailable(), pg.transaction():
        pg.execute(_FAIL, values)
        return pg.execute(_HAS_FAILED, values).fetchone() is not None


def visible(pg: Connection, *, tenant_id: str, workload_id: UUID) -> list[UUID]:
    """The `ingest_id`s of the workload's visible rows in ClickHouse, oldest first.

    Raises:
        StoreUnavailable: PostgreSQL does not answer.
    """
    owner = {"tenant_id": tenant_id, "workload_id": workload_id}
    with unavailable(), pg.transaction():
        return _rows_ids(pg.execute(_VISIBLE, owner).fetchall())


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Rows in ClickHouse that no reader will ever ask for."""

    tenant_id: str
    workload_id: UUID
    ids: tuple[UUID, ...]


def leftovers(pg: Connection, stale_s: float = STALE_S) -> list[Leftover]:
    """Ingests that failed, or stopped without saying so, and may have left rows.

    Those that stopped are failed first, so that they cannot finish any more.
    """
    with unavailable(), pg.transaction():
        everywhere = {"workload_id": None, "stale_s": stale_s, "abandoned": Jsonb(_ABANDONED)}
        pg.execute(_TAKE_OVER, everywhere)
        rows = pg.execute(_UNSWEPT).fetchall()
    return [
        Leftover(
            tenant_id=row["tenant_id"],
            workload_id=row["workload_id"],
            ids=(row["id"], rewritten(row["id"])),
        )
        for row in rows
    ]


def swept(pg: Connection, ingest_ids: Iterable[UUID]) -> None:
    """Notes that failed ingests left no rows."""
    with unavailable(), pg.transaction():
        pg.execute(_SWEPT, {"ids": list(ingest_ids)})


def live(pg: Connection) -> set[UUID]:
    """The `ingest_id`s that rows in ClickHouse may carry: of visible and of running ingests."""
    with unavailable(), pg.transaction():
        rows = pg.execute(_LIVE).fetchall()
    running = [row["id"] for row in rows if row["state"] == "running"]
    done = [row for row in rows if row["state"] == "visible"]
    return {*running, *map(rewritten, running), *_rows_ids(done)}


def _rows_ids(rows: Sequence[dict[str, Any]]) -> list[UUID]:
    return [
        rewritten(row["id"]) if row["duplicates"] else row["id"] for row in rows if row["events"]
    ]


def _repeated(row: dict[str, Any], anchored: bool) -> Outcome:
    return Outcome(
        ingest_id=row["id"],
        format=row["format"],
        anchored=anchored,
        rows=row["rows"],
        events=0,
        duplicates=row["rows"],
        min_ts=row["min_ts"],
        max_ts=row["max_ts"],
    )


def _conflict(pg: Connection, owner: dict[str, Any]) -> Conflict:
    running = pg.execute(_RUNNING, owner).fetchone()
    if running is None:
        return Conflict("another ingest into this workload has just begun; try again")
    since = running["started_at"].isoformat(timespec="seconds")
    return Conflict(
        "the workload is being ingested into; wait until that is done, then send the file again;"
        f" {gives_way(running['given_up_at'])}",
        (
            Problem(
                where="workload_id",
                problem=f"ingest {running['id']} of {running['source_name']!r} runs since {since}",
                got=str(owner["workload_id"]),
            ),
        ),
    )


def _described(error: BaseException) -> dict[str, Any]:
    if isinstance(error, NetraError):
        errors = [
            {"where": p.where, "problem": p.problem, "got": p.got, "expected": p.expected}
            for p in error.errors
        ]
        return {"type": error.slug, "detail": error.detail, "errors": errors}
    return {"type": "internal-error", "detail": f"{type(error).__name__}: {error}", "errors": []}


_TAKEN_OVER = (
    "this ingest gave no sign of life for too long and was given up; nothing was ingested, send"
    " the file again"
)
_ABANDONED = {
    "type": "abandoned",
    "detail": "the process that ran the ingest stopped; nothing was ingested",
    "errors": [],
}
# The row lock keeps a deletion of the workload, and a second ingest, waiting till the end.
_WORKLOAD: LiteralString = """
    SELECT anchored FROM workloads
    WHERE id = %(workload_id)s AND tenant_id = %(tenant_id)s AND deleted_at IS NULL
    FOR UPDATE
"""
_SAME: LiteralString = """
    SELECT id, format, rows, min_ts, max_ts FROM ingests
    WHERE workload_id = %(workload_id)s AND state = 'visible' AND content_hash = %(content_hash)s
    LIMIT 1
"""
_TAKE_OVER: LiteralString = """
    UPDATE ingests SET state = 'failed', finished_at = now(), error = %(abandoned)s
    WHERE state = 'running' AND heartbeat_at < now() - %(stale_s)s * interval '1 second'
      AND workload_id = coalesce(%(workload_id)s, workload_id)
"""
_BEGIN: LiteralString = """
    INSERT INTO ingests (id, tenant_id, workload_id, source_name, content_hash)
    VALUES (%(id)s, %(tenant_id)s, %(workload_id)s, %(source_name)s, %(content_hash)s)
    ON CONFLICT DO NOTHING RETURNING id
"""
_RUNNING: LiteralString = """
    SELECT id, source_name, started_at,
        heartbeat_at + %(stale_s)s * interval '1 second' AS given_up_at FROM ingests
    WHERE workload_id = %(workload_id)s AND state = 'running'
"""
_VISIBLE: LiteralString = """
    SELECT id, rows, events, duplicates FROM ingests
    WHERE tenant_id = %(tenant_id)s AND workload_id = %(workload_id)s AND state = 'visible'
    ORDER BY finished_at, id
"""
_HEARTBEAT: LiteralString = """
    UPDATE ingests SET heartbeat_at = now() WHERE id = %(id)s AND state = 'running'
"""
_COUNT_IN: LiteralString = """
    UPDATE workloads SET anchored = %(anchored)s, events = events + %(events)s,
        min_ts = least(min_ts, %(min_ts)s), max_ts = greatest(max_ts, %(max_ts)s)
    WHERE id = %(workload_id)s AND deleted_at IS NULL
      AND (anchored IS NULL OR anchored = %(anchored)s)
"""
_FINISH: LiteralString = """
    UPDATE ingests SET state = 'visible', format = %(format)s, rows = %(rows)s,
        events = %(events)s, duplicates = %(duplicates)s, min_ts = %(min_ts)s,
        max_ts = %(max_ts)s, finished_at = now(), heartbeat_at = now()
    WHERE id = %(id)s AND state = 'running'
"""
_FAIL: LiteralString = """
    UPDATE ingests SET state = 'failed', error = %(error)s, finished_at = now()
    WHERE id = %(id)s AND state = 'running'
"""
_HAS_FAILED: LiteralString = "SELECT 1 FROM ingests WHERE id = %(id)s AND state = 'failed'"
_UNSWEPT: LiteralString = """
    SELECT id, tenant_id, workload_id FROM ingests
    WHERE state = 'failed' AND NOT coalesce(error ? 'swept', false)
"""
_SWEPT: LiteralString = """
    UPDATE ingests SET error = coalesce(error, '{}') || '{"swept": true}'
    WHERE id = ANY(%(ids)s) AND state = 'failed'
"""
_LIVE: LiteralString = """
    SELECT id, state, events, duplicates FROM ingests WHERE state IN ('running', 'visible')
"""
