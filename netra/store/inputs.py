"""What a stage is given from PostgreSQL: its workload, and the results before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from netra.schemas.workload import DEMAND_PREFIX
from netra.store.ingest import rewritten
from netra.store.postgres import Connection, unavailable


def workload(connection: Connection, workload_id: UUID, tenant_id: str) -> dict[str, Any] | None:
    """`{id, name, anchored}`; deleted workloads are still readable by the jobs they had."""
    with unavailable():
        return connection.execute(
            "SELECT id, name, anchored FROM workloads WHERE id = %s AND tenant_id = %s",
            [workload_id, tenant_id],
        ).fetchone()


def event_count(connection: Connection, workload_id: UUID, ingests: Sequence[str]) -> int:
    """How many events the ingests hold; named as their rows in ClickHouse are."""
    with unavailable():
        rows = connection.execute(
            "SELECT id, events FROM ingests WHERE workload_id = %s AND events > 0"
            " AND NOT starts_with(coalesce(format, ''), %s)",
            [workload_id, DEMAND_PREFIX],
        ).fetchall()
    asked = set(ingests)
    return sum(row["events"] for row in rows if asked & {str(row["id"]), str(rewritten(row["id"]))})


def upstream(
    connection: Connection, job_id: UUID, agents: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Results of the job's finished stages by agent name; of several, the last in order."""
    if not agents:
        return {}
    with unavailable():
        rows = connection.execute(
            "SELECT r.agent, r.content FROM stage_results r JOIN stages s ON s.id = r.stage_id"
            " WHERE r.job_id = %s AND r.agent = ANY(%s) AND s.state = 'succeeded'"
            " ORDER BY s.position, s.finished_at",
            [job_id, list(agents)],
        ).fetchall()
    return {row["agent"]: row["content"] for row in rows}


def parts(connection: Connection, job_id: UUID, names: Sequence[str]) -> list[dict[str, Any]]:
    """Results of the named stages of a job, in that order."""
    with unavailable():
        rows = connection.execute(
            "SELECT s.name, r.content FROM stages s JOIN stage_results r ON r.stage_id = s.id"
            " WHERE s.job_id = %s AND s.name = ANY(%s)",
            [job_id, list(names)],
        ).fetchall()
    by_name = {row["name"]: row["content"] for row in rows}
    return [by_name[name] for name in names if name in by_name]


def supply_rows(connection: Connection, tenant_id: str) -> list[dict[str, Any]]:
    """The tenant's own rows of the supply catalog."""
    with unavailable():
        return connection.execute(
            "SELECT kind, name, effective_from, content FROM supply_rows WHERE tenant_id = %s"
            " ORDER BY kind, name, effective_from",
            [tenant_id],
        ).fetchall()
