"""Facts, read in the order in which they became true; and how far each job has come."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple
from uuid import UUID

from netra.store.postgres import AsyncConnection


class FactRow(NamedTuple):
    job_id: str
    epoch: int
    seq: int
    kind: str
    stage: str | None
    #: The fact as clients are sent it, JSON.
    raw: str


#: Names the last fact seen of a job: `(epoch, seq)`.
Seen = tuple[int, int]

#: What a client is sent of a fact `f`.
_RAW = """json_build_object(
        'type', 'fact', 'job_id', f.job_id, 'epoch', f.epoch, 'seq', f.seq, 'ts', f.ts,
        'kind', f.kind, 'stage', f.stage, 'payload', f.payload)::text"""
_AFTER = """
    SELECT p.job_id::text, f.epoch, f.seq, f.kind, f.stage, <raw> AS raw
    FROM unnest(%(jobs)s::uuid[], %(epochs)s::int[], %(seqs)s::bigint[]) AS p(job_id, epoch, seq)
    CROSS JOIN LATERAL (
        SELECT * FROM facts WHERE job_id = p.job_id AND tenant_id = %(tenant)s
            AND (epoch, seq) > (p.epoch, p.seq)
        ORDER BY epoch, seq LIMIT %(n)s) f
    ORDER BY p.job_id, f.epoch, f.seq LIMIT %(n)s
""".replace("<raw>", _RAW)
_BEGIN = """
    SELECT j.epoch AS head_epoch, j.seq AS head_seq, f.epoch, f.seq, f.kind, f.stage,
        CASE WHEN f.seq IS NOT NULL THEN <raw> END AS raw
    FROM jobs j LEFT JOIN LATERAL (
        SELECT * FROM facts WHERE job_id = j.id
            AND (epoch, seq) > (coalesce(%(epoch)s::int, j.epoch), 0)
        ORDER BY epoch, seq LIMIT %(n)s) f ON true
    WHERE j.id = %(job)s AND j.tenant_id = %(tenant)s
    ORDER BY f.epoch, f.seq
""".replace("<raw>", _RAW)


async def after(
    connection: AsyncConnection, tenant_id: str, seen: Mapping[str, Seen], n: int
) -> list[FactRow]:
    """The next facts of several jobs, at most `n` in all, by job, epoch and seq."""
    cursor = await connection.execute(
        _AFTER,
        {
            "jobs": [UUID(job_id) for job_id in seen],
            "epochs": [epoch for epoch, _ in seen.values()],
            "seqs": [seq for _, seq in seen.values()],
            "tenant": tenant_id,
            "n": n,
        },
    )
    return [FactRow(**row) for row in await cursor.fetchall()]


async def begin(
    connection: AsyncConnection, tenant_id: str, job_id: UUID, epoch: int | None, n: int
) -> tuple[Seen, list[FactRow]] | None:
    """A job's last fact, and its first from that epoch on (None: the current one), at most `n`.

    None: the tenant has no such job.
    """
    cursor = await connection.execute(
        _BEGIN, {"job": job_id, "tenant": tenant_id, "epoch": epoch, "n": n}
    )
    rows = await cursor.fetchall()
    if not rows:
        return None
    facts = [
        FactRow(str(job_id), row["epoch"], row["seq"], row["kind"], row["stage"], row["raw"])
        for row in rows
        if row["raw"] is not None
    ]
    return (rows[0]["head_epoch"], rows[0]["head_seq"]), facts


async def heads(connection: AsyncConnection, jobs: Collection[str]) -> dict[str, Seen]:
    """The last fact of each job."""
    cursor = await connection.execute(
        "SELECT id::text, epoch, seq FROM jobs WHERE id = ANY(%s)", [[UUID(j) for j in jobs]]
    )
    return {row["id"]: (row["epoch"], row["seq"]) for row in await cursor.fetchall()}


async def batch_sums(
    connection: AsyncConnection, batches: Collection[str]
) -> dict[str, tuple[int, int, int]]:
    """`(jobs, sum of epochs, sum of seqs)` of each batch: unchanged means that nothing moved."""
    cursor = await connection.execute(
        "SELECT batch_id::text, count(*) AS jobs, sum(epoch)::bigint AS epochs,"
        " sum(seq)::bigint AS seqs FROM jobs WHERE batch_id = ANY(%s) GROUP BY batch_id",
        [[UUID(b) for b in batches]],
    )
    rows = await cursor.fetchall()
    return {row["batch_id"]: (row["jobs"], row["epochs"], row["seqs"]) for row in rows}
