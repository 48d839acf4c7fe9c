"""Whether ClickHouse has what PostgreSQL says is there; asked after every restore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from netra.backup import rows
from netra.backup.rows import Writer
from netra.settings import Settings
from netra.store import clickhouse, postgres, series
from netra.store import ingest as ingests
from netra.store.postgres import Connection, unavailable
from netra.store.tables import ALL

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """What the two stores say of each other."""

    #: Visible ingests, and the rows that they have in ClickHouse.
    ingests: int
    rows: int
    #: Visible ingests that have fewer rows than PostgreSQL says: their files must be sent again.
    lost_ingests: tuple[Writer, ...]
    #: Stages that succeeded and whose tables are not all there: their jobs can be run again.
    lost_results: tuple[UUID, ...]
    #: Rows whose ingest PostgreSQL does not call visible. Nobody reads them.
    invisible_rows: int

    @property
    def whole(self) -> bool:
        return not self.lost_ingests and not self.lost_results


def check(settings: Settings) -> Consistency:
    """Compares the two stores.

    Raises:
        StoreUnavailable: one does not answer.
    """
    client = clickhouse.connect(settings.clickhouse)
    try:
        with postgres.connect(settings.database, "backup") as pg:
            counts: dict[UUID, int] = {}
            for table in ALL:
                for writer, n in rows.counted(client, table.name).items():
                    counts[writer] = counts.get(writer, 0) + n
            known = rows.visible_since(pg, None)
            visible = {writer.id for writer in known}
            return Consistency(
                ingests=len(known),
                rows=sum(n for writer, n in counts.items() if writer in visible),
                lost_ingests=tuple(rows.missing(known, counts)),
                lost_results=tuple(_lost_results(client, pg)),
                invisible_rows=sum(n for writer, n in counts.items() if writer not in visible),
            )
    finally:
        client.close()


def _lost_results(client: Client, pg: Connection) -> list[UUID]:
    query = f"SELECT stage_id, attempt, uniqExact(name) FROM {series.TABLE} GROUP BY ALL"  # noqa: S608
    with clickhouse.unavailable():
        there = {(stage, attempt): n for stage, attempt, n in client.query(query).result_rows}
    with unavailable():
        wanted = pg.execute(_RESULTS).fetchall()
    return [r["stage_id"] for r in wanted if there.get((r["stage_id"], r["attempt"]), 0) < r["n"]]


def give_up(settings: Settings, lost: tuple[Writer, ...]) -> int:
    """Fails ingests whose rows are lost, so that their files can be sent again; how many."""
    with postgres.connect(settings.database, "backup") as pg, unavailable(), pg.transaction():
        ids = {writer.id for writer in lost}
        found = pg.execute("SELECT id, workload_id FROM ingests WHERE state = 'visible'").fetchall()
        given_up = [r for r in found if r["id"] in ids or ingests.rewritten(r["id"]) in ids]
        pg.execute(_GIVE_UP, {"ids": [r["id"] for r in given_up], "error": Jsonb(_LOST)})
        pg.execute(_RECOUNT, {"workloads": list({r["workload_id"] for r in given_up})})
        return len(given_up)


_LOST = {
    "type": "lost-in-restore",
    "detail": "the rows of this ingest were newer than the backup; send the file again",
    "errors": [],
}
_RESULTS: LiteralString = """
    SELECT stage_id, attempt, jsonb_array_length(tables) AS n FROM stage_results
    WHERE tables <> '[]'
"""
_GIVE_UP: LiteralString = """
    UPDATE ingests SET state = 'failed', error = %(error)s WHERE id = ANY(%(ids)s)
"""
_RECOUNT: LiteralString = """
    UPDATE workloads w SET events = coalesce(i.events, 0), min_ts = i.min_ts, max_ts = i.max_ts
    FROM (SELECT u.id, sum(v.events) AS events, min(v.min_ts) AS min_ts, max(v.max_ts) AS max_ts
        FROM unnest(%(workloads)s::uuid[]) AS u(id)
        LEFT JOIN ingests v ON v.workload_id = u.id AND v.state = 'visible'
        GROUP BY u.id) i
    WHERE w.id = i.id
"""
