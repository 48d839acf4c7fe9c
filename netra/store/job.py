"""Jobs, read for clients. What changes a job is in `queue`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from psycopg import sql
from psycopg.types.json import Jsonb

from netra.schemas.job import JOB_STATES, Job, Stage
from netra.schemas.socket import JobHead
from netra.store.postgres import AsyncConnection

# PostgreSQL knows years beyond Python's 9999, and a deadline is what somebody wrote: one such row
# would break every list that it is in.
_COLUMNS = sql.SQL("""
    j.id::text, j.workload_id::text, j.batch_id::text, j.pipeline, j.state, j.epoch, j.seq,
    j.priority, j.labels, CASE WHEN j.deadline > '9999-12-31T00:00:00Z'
        THEN '9999-12-31T00:00:00Z' ELSE j.deadline END AS deadline, j.stop_reason,
    j.created_at, j.started_at, j.finished_at,
    n.total AS stages_total, n.total - j.stages_left AS stages_ended
""")
_FROM = sql.SQL("""
    FROM {jobs} j
    CROSS JOIN LATERAL (SELECT count(*) AS total FROM stages s WHERE s.job_id = j.id) n
""")
_ALL = sql.Identifier("jobs")
_CHOSEN = sql.SQL("(SELECT * FROM jobs j WHERE {where} ORDER BY j.id DESC LIMIT %(n)s)")
_NEWEST = sql.SQL("(SELECT * FROM ({each}) e ORDER BY id DESC LIMIT %(n)s)")
_STAGES = """
    SELECT id::text, name, agent, pool, state, attempt, worker_id::text AS worker, started_at,
        finished_at, error, after, params
    FROM stages WHERE job_id = %s AND tenant_id = %s ORDER BY position, name
"""
# Only a tenant with a limit is counted for, and only stages that hold a slot are counted.
_LIMIT = """
    SELECT t.max_running FROM tenants t
    WHERE t.id = %(tenant)s AND t.max_running IS NOT NULL AND EXISTS (
            SELECT 1 FROM stages WHERE job_id = %(job)s AND coalesce(state, '') = 'ready'
                AND run_at <= clock_timestamp())
        AND t.max_running <= (SELECT count(*) FROM (
            SELECT tenant_id FROM stages WHERE state = 'admitted'
            UNION ALL SELECT tenant_id FROM stages WHERE state = 'running') held
            WHERE tenant_id = %(tenant)s)
"""


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Which jobs to list; None and empty: all."""

    states: tuple[str, ...] = ()
    workload_id: UUID | None = None
    batch_id: UUID | None = None
    pipeline: str | None = None
    #: Labels that a job must carry, among others.
    labels: Mapping[str, str] = field(default_factory=dict)

    def conditions(self) -> tuple[list[sql.SQL], dict[str, Any]]:
        """The parts of a WHERE clause but for the states, and their parameters."""
        chosen: list[tuple[LiteralString, str, Any]] = []
        if self.workload_id:
            chosen.append(("j.workload_id = %(workload)s", "workload", self.workload_id))
        if self.batch_id:
            chosen.append(("j.batch_id = %(batch)s", "batch", self.batch_id))
        if self.pipeline:
            chosen.append(("j.pipeline = %(pipeline)s", "pipeline", self.pipeline))
        if self.labels:
            # The second half is what the index asks for: most jobs carry no label.
            held = "j.labels @> %(labels)s AND j.labels <> '{}'"
            chosen.append((held, "labels", Jsonb(dict(self.labels))))
        return [sql.SQL(text) for text, _, _ in chosen], {name: v for _, name, v in chosen}


def newest(
    tenant_id: str, wanted: JobFilter, *, before: UUID | None, n: int
) -> tuple[sql.Composed, dict[str, Any]]:
    """At most `n` jobs, newest first, older than `before`: a query in brackets, and its values."""
    where, values = wanted.conditions()
    where.append(sql.SQL("j.tenant_id = %(tenant)s"))
    if before:
        where.append(sql.SQL("j.id < %(before)s"))
    common = sql.SQL(" AND ").join(where)
    values = {**values, "tenant": tenant_id, "before": before, "n": n}
    # Some indexes have the jobs of each state in this order, and are walked once for each; none has
    # a batch's jobs of all states.
    states = wanted.states or (JOB_STATES if wanted.batch_id else ())
    if not states:
        return _CHOSEN.format(where=common), values
    each = [
        _CHOSEN.format(where=sql.SQL("{} AND j.state = {}").format(common, state))
        for state in dict.fromkeys(states)
    ]
    return _NEWEST.format(each=sql.SQL(" UNION ALL ").join(each)), values


async def page(
    connection: AsyncConnection, tenant_id: str, wanted: JobFilter, *, before: UUID | None, n: int
) -> list[Job]:
    """At most `n` jobs, newest first, older than `before`; without stages and goal."""
    chosen, values = newest(tenant_id, wanted, before=before, n=n)
    query = sql.SQL("SELECT {} {} ORDER BY j.id DESC")
    # Not prepared: a plan for any label or state reads all jobs to find those of a rare one.
    cursor = await connection.execute(
        query.format(_COLUMNS, _FROM.format(jobs=chosen)),
        values,
        prepare=False if before or wanted != JobFilter() else None,
    )
    return [msgspec.convert(row, Job) for row in await cursor.fetchall()]


async def show(connection: AsyncConnection, tenant_id: str, job_id: UUID) -> Job | None:
    """The job with its goal and stages; None if there is none, or it is somebody else's."""
    async with connection.pipeline():
        jobs = await connection.execute(
            sql.SQL("SELECT {}, j.goal {} WHERE j.id = %s AND j.tenant_id = %s").format(
                _COLUMNS, _FROM.format(jobs=_ALL)
            ),
            [job_id, tenant_id],
        )
        stages = await connection.execute(_STAGES, [job_id, tenant_id])
        row = await jobs.fetchone()
        rows = await stages.fetchall()
    if row is None:
        return None
    found = tuple(msgspec.convert(r, Stage) for r in rows)
    job = msgspec.structs.replace(msgspec.convert(row, Job), stages=found)
    if not any(stage.state == "ready" for stage in found):
        return job
    waits_for = await _waits_for(connection, tenant_id, job_id)
    return msgspec.structs.replace(job, waits_for=waits_for)


async def _waits_for(connection: AsyncConnection, tenant_id: str, job_id: UUID) -> str | UnsetType:
    """What keeps a stage that is ready from beginning, if that is more than its turn."""
    cursor = await connection.execute(_LIMIT, {"tenant": tenant_id, "job": job_id})
    row = await cursor.fetchone()
    if row is None:
        return UNSET
    return f"the tenant's limit of {row['max_running']:,} running stages"


async def head(connection: AsyncConnection, tenant_id: str, job_id: UUID) -> JobHead | None:
    """Where the job stands: state, epoch and last seq."""
    cursor = await connection.execute(
        "SELECT id::text, state, epoch, seq FROM jobs WHERE id = %s AND tenant_id = %s",
        [job_id, tenant_id],
    )
    row = await cursor.fetchone()
    return JobHead(**row) if row else None


async def has_its_events(connection: AsyncConnection, job_id: UUID) -> bool:
    """Whether what the job reads is still there: its workload may have been deleted since."""
    cursor = await connection.execute(
        "SELECT w.deleted_at IS NULL AS there FROM jobs j JOIN workloads w ON w.id = j.workload_id"
        " WHERE j.id = %s",
        [job_id],
    )
    row = await cursor.fetchone()
    return row is None or row["there"]


async def unfinished(connection: AsyncConnection, workload_id: UUID) -> int:
    """How many jobs of a workload have not ended."""
    cursor = await connection.execute(
        "SELECT count(*) AS n FROM jobs WHERE workload_id = %s AND state IN ('queued', 'running')",
        [workload_id],
    )
    row = await cursor.fetchone()
    return row["n"] if row else 0
