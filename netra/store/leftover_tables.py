"""Tables in ClickHouse that attempts left which did not win; nobody reads them, they take room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from netra.store.postgres import Connection, unavailable

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from netra.store.series import Writer

#: A stage is left alone for this long after its end: what its writers still sent has arrived.
SETTLED_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A stage that ended, and whose attempts wrote tables."""

    stage_id: UUID
    tenant_id: str
    job_id: UUID
    attempt: int
    state: str

    @property
    def first_kept(self) -> int:
        """Tables of attempts before this one are nobody's."""
        return self.attempt if self.state == "succeeded" else self.attempt + 1


def waiting(pg: Connection, settled_s: float = SETTLED_S, n: int = 100) -> list[Leftover]:
    """Stages that are to be swept, those that ended first at the front."""
    with unavailable():
        rows = pg.execute(
            "SELECT id AS stage_id, tenant_id, job_id, attempt, state FROM stages WHERE wrote"
            " AND state IN ('succeeded', 'failed', 'cancelled', 'skipped')"
            " AND finished_at < clock_timestamp() - make_interval(secs => %s)"
            " ORDER BY finished_at LIMIT %s",
            [settled_s, n],
        ).fetchall()
    return [Leftover(**row) for row in rows]


def sweep(client: Client, pg: Connection, found: list[Leftover]) -> int:
    """Deletes what lost; how many stages had something to delete.

    Raises:
        StoreUnavailable: a store does not answer; what is left is swept another time.
    """
    from netra.store import series

    cleaned = 0
    for leftover in found:
        if leftover.first_kept > 1:
            cleaned += 1
            series.delete_before(client, _writer(leftover))
        _swept(pg, leftover)
    return cleaned


def _writer(leftover: Leftover) -> Writer:
    from netra.store.series import Writer

    return Writer(
        tenant_id=leftover.tenant_id,
        job_id=leftover.job_id,
        stage_id=leftover.stage_id,
        attempt=leftover.first_kept,
    )


def _swept(pg: Connection, leftover: Leftover) -> None:
    """Not if the stage was started again meanwhile: it is swept after its next end."""
    with unavailable():
        pg.execute(
            "UPDATE stages SET wrote = false WHERE id = %s AND attempt = %s AND state = %s",
            [leftover.stage_id, leftover.attempt, leftover.state],
        )
