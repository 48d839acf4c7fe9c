"""What finished stages answered: results, reports and recommendations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from netra.store.postgres import AsyncConnection

#: From each workload's newest job backwards, so that old reports are not read; then the newest of
#: jobs that have no workload.
_LATEST_REPORTS = """
    (SELECT l.job_id, w.id::text AS workload_id, l.content FROM workloads w
    CROSS JOIN LATERAL (
        SELECT j.id::text AS job_id, r.content FROM jobs j
        JOIN stage_results r ON r.job_id = j.id AND r.agent = 'report'
        JOIN stages s ON s.id = r.stage_id AND s.state = 'succeeded'
        WHERE j.workload_id = w.id AND j.state = 'succeeded'
        ORDER BY j.id DESC LIMIT 1) l
    WHERE w.tenant_id = %(tenant)s AND (%(workload)s::uuid IS NULL OR w.id = %(workload)s))
    UNION ALL
    (SELECT r.job_id::text, NULL, r.content FROM stage_results r
    JOIN jobs j ON j.id = r.job_id AND j.workload_id IS NULL AND j.state = 'succeeded'
    JOIN stages s ON s.id = r.stage_id AND s.state = 'succeeded'
    WHERE r.tenant_id = %(tenant)s AND r.agent = 'report' AND %(workload)s::uuid IS NULL
    ORDER BY r.job_id DESC LIMIT 1)
    ORDER BY job_id DESC LIMIT %(n)s
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A stage's state, and its result once it succeeded."""

    state: str
    agent: str
    attempt: int
    content: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class ReportRow:
    job_id: str
    workload_id: str | None
    content: dict[str, Any]


async def outcome(
    connection: AsyncConnection, tenant_id: str, job_id: UUID, name: str
) -> Outcome | None:
    """The stage of this name; None if the job has none."""
    cursor = await connection.execute(
        "SELECT s.state, s.agent, s.attempt, r.content FROM stages s"
        " LEFT JOIN stage_results r ON r.stage_id = s.id AND s.state = 'succeeded'"
        " WHERE s.job_id = %s AND s.tenant_id = %s AND s.name = %s",
        [job_id, tenant_id, name],
    )
    row = await cursor.fetchone()
    return Outcome(**row) if row else None


async def report(connection: AsyncConnection, tenant_id: str, job_id: UUID) -> ReportRow | None:
    """What the job's last `report` stage answered; None if there is no answer (yet)."""
    cursor = await connection.execute(
        "SELECT r.job_id::text, j.workload_id::text, r.content FROM stage_results r"
        " JOIN jobs j ON j.id = r.job_id JOIN stages s ON s.id = r.stage_id"
        " WHERE r.job_id = %s AND r.tenant_id = %s AND r.agent = 'report'"
        " AND s.state = 'succeeded' ORDER BY s.position DESC LIMIT 1",
        [job_id, tenant_id],
    )
    row = await cursor.fetchone()
    return ReportRow(**row) if row else None


async def latest_reports(
    connection: AsyncConnection, tenant_id: str, workload_id: UUID | None, n: int
) -> list[ReportRow]:
    """The newest report of each workload, newest first; of one workload if it is named."""
    cursor = await connection.execute(
        _LATEST_REPORTS, {"tenant": tenant_id, "workload": workload_id, "n": n}
    )
    return [ReportRow(**row) for row in await cursor.fetchall()]
