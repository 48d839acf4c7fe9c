"""Loads a trace file into a workload: wholly or not at all, and each event once.

Rows are written under the ingest's id and stay invisible until PostgreSQL calls it visible. If
some of them were there before, or twice in the file, only the new ones are rewritten under a
second id, which becomes visible in their place. Whatever fails or dies on the way leaves rows
that nobody reads, until `sweep` removes them.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from netra.errors import Conflict, NetraError, Problem, StoreUnavailable
from netra.ingest.heartbeat import Heartbeat
from netra.ingest.merge import INSERT_ROWS, merged
from netra.ingest.prefetch import prefetched
from netra.ingest.trace import MAX_LINE_BYTES, Piece, Trace
from netra.store import event_dedupe, events
from netra.store import ingest as ingests
from netra.store.events import Scope
from netra.store.ingest import Begun, Outcome
from netra.store.postgres import Connection
from netra.store.tables import ALL, EVENTS, POINTS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

log = logging.getLogger(__name__)

#: Called with rows loaded, bytes of the file done, bytes in all.
Progress = Callable[[int, int, int], None]


def load(
    file: Path,
    *,
    tenant_id: str,
    workload_id: UUID,
    client: Client,
    pg: Connection,
    source_name: str = "",
    format: str | None = None,
    start: datetime | None = None,
    progress: Progress | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
    insert_rows: int = INSERT_ROWS,
    stale_s: float = ingests.STALE_S,
) -> Outcome:
    """Loads `file`. Blocks: run it in a thread.

    `client` may be shared; `pg` is used by this call alone. `start` anchors a trace with
    relative times.

    Raises:
        InvalidEvents: the file is bad; says where, and nothing of it was ingested.
        InvalidInput: there is no such format, or `start` does not fit.
        NotFound: there is no such workload.
        Conflict: another ingest runs in the workload, or its times are of the other kind.
        StoreUnavailable: a store does not answer; nothing was ingested.
    """
    source = source_name or file.name
    begun = ingests.begin(
        pg,
        tenant_id=tenant_id,
        workload_id=workload_id,
        source_name=source,
        content_hash=content_hash(file, format, start),
        stale_s=stale_s,
    )
    if isinstance(begun, Outcome):
        return begun
    scope = Scope(tenant_id=tenant_id, workload_id=workload_id, ingest_ids=(begun.id,))
    work = _Load(client, pg, begun, scope, progress or (lambda *_: None))
    try:
        trace = Trace(
            file,
            source=source,
            format=format,
            start=start,
            first_row=begun.first_row,
            max_line_bytes=max_line_bytes,
        )
        return work.run(trace, insert_rows)
    except BaseException as e:
        work.undo(e)
        raise


def content_hash(file: Path, format: str | None, start: datetime | None) -> str:
    """What makes two calls the same: the file's bytes and how they are to be read."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256")
    digest.update(f"|{format}|{start.isoformat() if start else ''}".encode())
    return digest.hexdigest()


class _Load:
    """One ingest under way."""

    def __init__(
        self, client: Client, pg: Connection, begun: Begun, scope: Scope, progress: Progress
    ) -> None:
        self._client = client
        self._pg = pg
        self._begun = begun
        self._scope = scope
        self._progress = progress
        self._rows = 0
        self._wrote = False
        self._table = EVENTS
        self._min_us: int | None = None
        self._max_us: int | None = None
        self._heartbeat = Heartbeat(pg, begun.id)

    def run(self, trace: Trace, insert_rows: int) -> Outcome:
        self._check_kind(trace.info.anchored)
        self._table = POINTS if trace.info.kind == "demand" else EVENTS
        with Heartbeat(self._pg, self._begun.id) as self._heartbeat:
            with prefetched(merged(trace.pieces, insert_rows), ahead=1) as pieces:
                for piece in pieces:
                    self._insert(piece, trace.info.bytes)
            new = self._new_events()
        outcome = Outcome(
            ingest_id=self._begun.id,
            format=trace.info.format,
            anchored=trace.info.anchored,
            rows=self._rows,
            events=new,
            duplicates=self._rows - new,
            min_ts=_moment(self._min_us),
            max_ts=_moment(self._max_us),
        )
        ingests.finish(self._pg, self._scope.workload_id, outcome)
        if outcome.duplicates:
            self._forget(self._scope)
        return outcome

    def undo(self, error: BaseException) -> None:
        """Marks the ingest failed and removes its rows; `sweep` does it if this cannot."""
        try:
            if not ingests.fail(self._pg, self._begun.id, error):
                return
            ids = (self._begun.id, ingests.rewritten(self._begun.id))
            if not self._wrote or self._forget(self._with(ids)):
                ingests.swept(self._pg, [self._begun.id])
        except NetraError:
            log.warning("ingest %s failed, and its end could not be noted", self._begun.id)

    def _check_kind(self, anchored: bool) -> None:
        before = self._begun.anchored
        if before is None or before == anchored:
            return
        kinds = {True: "calendar times", False: "times that count from an unknown start"}
        raise Conflict(
            f"the workload has {kinds[before]}, this file has {kinds[anchored]}; together they"
            " have no order. Give a start, or send it to a workload of its own",
            (Problem(where="start", problem="the kinds of times differ"),),
        )

    def _insert(self, piece: Piece, bytes_total: int) -> None:
        self._heartbeat.check()
        self._wrote = True
        events.insert(self._client, piece.batch, self._scope, self._table)
        self._rows += piece.batch.num_rows
        ends = pc.min_max(piece.batch["ts"].cast(pa.int64()))
        low, high = ends["min"].as_py(), ends["max"].as_py()
        self._min_us = low if self._min_us is None else min(low, self._min_us)
        self._max_us = high if self._max_us is None else max(high, self._max_us)
        self._progress(self._rows, piece.end_byte, bytes_total)

    def _new_events(self) -> int:
        """Counts the new events; if they are not all, moves them to where they will be visible."""
        seen = self._with(self._begun.visible)
        parts = event_dedupe.buckets(self._rows + self._begun.events)
        check = self._heartbeat.check
        new = event_dedupe.count_new(self._client, self._scope, seen, parts, check, self._table)
        if new and new < self._rows:
            target = self._with((ingests.rewritten(self._begun.id),))
            event_dedupe.keep_new(
                self._client,
                self._scope,
                seen,
                target,
                parts,
                self._heartbeat.check,
                self._table,
            )
            self._check_count(target, new)
        else:
            self._check_count(self._scope, self._rows)
        return new

    def _check_count(self, scope: Scope, expected: int) -> None:
        found = event_dedupe.count(self._client, scope, self._table)
        if found != expected:
            raise StoreUnavailable(
                f"ClickHouse has {found} rows of this ingest instead of {expected}: it may have"
                " been restarted. Nothing was ingested; send the file again"
            )

    def _forget(self, scope: Scope) -> bool:
        try:
            events.delete(self._client, scope, table=self._table)
        except StoreUnavailable:
            log.warning("rows of ingest %s are left to be swept", self._begun.id)
            return False
        return True

    def _with(self, ids: tuple[UUID, ...]) -> Scope:
        return Scope(
            tenant_id=self._scope.tenant_id, workload_id=self._scope.workload_id, ingest_ids=ids
        )


def _moment(us: int | None) -> datetime | None:
    return None if us is None else pa.scalar(us, pa.timestamp("us", "UTC")).as_py()


def sweep(client: Client, pg: Connection, *, unknown: bool = False) -> int:
    """Removes the rows of failed ingests, and returns how many ingests that were.

    With `unknown`, also those of ingests that PostgreSQL does not know (it was restored from a
    backup) and originals that were rewritten: that scans a column of the whole table.

    Raises:
        StoreUnavailable: a store does not answer.
    """
    left = ingests.leftovers(pg)
    for one in left:
        scope = Scope(tenant_id=one.tenant_id, workload_id=one.workload_id, ingest_ids=one.ids)
        for table in ALL:
            events.delete(client, scope, table=table)
        ingests.swept(pg, [one.ids[0]])
    return len(left) + (_sweep_unknown(client, pg) if unknown else 0)


def _sweep_unknown(client: Client, pg: Connection) -> int:
    # ClickHouse is asked first: an ingest is in PostgreSQL before its first row is here.
    present = events.ingests_present(client)
    strays = set(present) - ingests.live(pg)
    for stray in strays:
        tenant_id, workload_id = present[stray]
        scope = Scope(tenant_id=tenant_id, workload_id=workload_id, ingest_ids=(stray,))
        for table in ALL:
            events.delete(client, scope, table=table)
    return len(strays)
