"""What operators watch, read from PostgreSQL: the queue as it is, and what ended in a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from netra.store import slots
from netra.store.postgres import AsyncConnection


@dataclass(frozen=True, kw_only=True)
class Present:
    """The queue now."""

    #: Stages by `(pool, tenant, state)`.
    depth: dict[tuple[str, str, str], int]
    #: Seconds that the oldest stage that could run has waited, by `(pool, tenant)`.
    age_s: dict[tuple[str, str], float]
    #: Slots of living workers by pool.
    slots: dict[str, int]
    #: Dead letters that nobody has replayed, by tenant.
    dead_letters: dict[str, int]
    #: Age of the oldest fact that nobody has sent, seconds; 0: there is none.
    outbox_lag_s: float
    #: Time since the slowest running ingest wrote, seconds; 0: none runs.
    insert_lag_s: float
    #: Replication slots that somebody reads, and that nobody does.
    slots_active: int
    slots_inactive: int


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What became of stages between two times."""

    #: By `(agent, outcome)`.
    outcomes: dict[tuple[str, str], int]
    #: By pool.
    leases_lost: dict[str, int]
    #: By agent: how many ran for at most each of the bounds and for longer, and the sum, seconds.
    seconds: dict[str, tuple[list[int], float]]


_DEPTH = """
    SELECT pool, tenant_id, 'ready' AS state, count(*) AS n, (extract(epoch FROM clock_timestamp()
            - min(greatest(ready_at, run_at))
                FILTER (WHERE run_at <= clock_timestamp())))::float8 AS age
    FROM stages WHERE state = 'ready' GROUP BY pool, tenant_id
    UNION ALL
    SELECT pool, tenant_id, 'admitted', count(*), (extract(epoch FROM clock_timestamp()
            - min(greatest(ready_at, run_at))))::float8
    FROM stages WHERE state = 'admitted' GROUP BY pool, tenant_id
    UNION ALL
    SELECT pool, tenant_id, 'running', count(*), NULL
    FROM stages WHERE state = 'running' GROUP BY pool, tenant_id
"""
_LAGS: LiteralString = f"""
    SELECT coalesce((SELECT extract(epoch FROM clock_timestamp() - ts)
            FROM outbox ORDER BY id LIMIT 1), 0)::float8 AS outbox,
        coalesce((SELECT extract(epoch FROM clock_timestamp() - min(heartbeat_at))
            FROM ingests WHERE state = 'running'), 0)::float8 AS insert,
        (SELECT count(*) FROM pg_replication_slots WHERE {slots.READ})::int AS active,
        (SELECT count(*) FROM pg_replication_slots WHERE NOT {slots.READ})::int AS inactive
"""  # noqa: S608
_ENDED = """
    SELECT s.agent, s.pool, f.kind, f.payload->>'reason' = 'lease expired' AS lost,
        width_bucket((f.payload->>'seconds')::float8, %(bounds)s::float8[]) AS bucket,
        count(*) AS n, sum((f.payload->>'seconds')::float8) AS seconds
    FROM facts f JOIN stages s ON s.job_id = f.job_id AND s.name = f.stage
    WHERE f.ts > %(since)s AND f.ts <= %(upto)s
        AND f.kind IN ('stage.succeeded', 'stage.failed', 'stage.cancelled', 'stage.retried')
    GROUP BY 1, 2, 3, 4, 5
"""

# A recommendation's saving is its backtest, and for levers of the plan the first of its evidence,
# which is the same saving in the unit of the cost.
_SAVINGS = """
    WITH newest AS (
        SELECT DISTINCT ON (j.workload_id) r.stage_id FROM stage_results r
        JOIN jobs j ON j.id = r.job_id AND j.state = 'succeeded'
        JOIN workloads w ON w.id = j.workload_id AND w.deleted_at IS NULL
        WHERE r.agent = 'report' ORDER BY j.workload_id, r.job_id DESC
    ), found AS (
        SELECT DISTINCT ON (n.stage_id, r->>'id', f->>'unit')
            r->>'lever' AS lever, f->>'unit' AS unit, (f->>'value')::float8 AS value
        FROM newest n JOIN stage_results s ON s.stage_id = n.stage_id
        CROSS JOIN LATERAL jsonb_array_elements(s.content->'recommendations') AS r
        CROSS JOIN LATERAL (VALUES (1, r->'backtest'), (2, r->'evidence'->0)) AS v(place, f)
        WHERE f->>'status' = 'ok' AND f->>'value' IS NOT NULL AND f->>'label' LIKE 'Saved%'
        ORDER BY n.stage_id, r->>'id', f->>'unit', place
    )
    SELECT lever, unit, sum(value) AS value, count(*)::int AS n FROM found GROUP BY lever, unit
"""


async def present(connection: AsyncConnection, worker_stale_s: float) -> Present:
    """The queue as it is."""
    depth = await (await connection.execute(_DEPTH)).fetchall()
    slots = await connection.execute(
        "SELECT pool, sum(concurrency)::int AS n FROM workers"
        " WHERE heartbeat_at > clock_timestamp() - make_interval(secs => %s) GROUP BY pool",
        [worker_stale_s],
    )
    dead = await connection.execute(
        "SELECT tenant_id, count(*) AS n FROM dead_letters WHERE replayed_at IS NULL"
        " GROUP BY tenant_id"
    )
    lags = await (await connection.execute(_LAGS)).fetchone()
    assert lags is not None
    age: dict[tuple[str, str], float] = {}
    for row in depth:
        if row["age"] is not None:
            place = (row["pool"], row["tenant_id"])
            age[place] = max(age.get(place, 0.0), row["age"])
    return Present(
        depth={(r["pool"], r["tenant_id"], r["state"]): r["n"] for r in depth},
        age_s=age,
        slots={row["pool"]: row["n"] for row in await slots.fetchall()},
        dead_letters={row["tenant_id"]: row["n"] for row in await dead.fetchall()},
        outbox_lag_s=lags["outbox"],
        insert_lag_s=lags["insert"],
        slots_active=lags["active"],
        slots_inactive=lags["inactive"],
    )


async def savings(connection: AsyncConnection) -> dict[tuple[str, str], tuple[float, int]]:
    """What the newest report of each workload saved on unseen traffic: `(sum, workloads)` by
    `(lever, unit)`."""
    rows = await (await connection.execute(_SAVINGS)).fetchall()
    return {(row["lever"], row["unit"]): (row["value"], row["n"]) for row in rows}


async def now(connection: AsyncConnection) -> datetime:
    """PostgreSQL's clock."""
    row = await (await connection.execute("SELECT clock_timestamp() AS now")).fetchone()
    assert row is not None
    return row["now"]


async def ended(
    connection: AsyncConnection, since: datetime, upto: datetime, bounds_s: Sequence[float]
) -> Ended:
    """What became of stages after `since` and not after `upto`."""
    cursor = await connection.execute(
        _ENDED, {"since": since, "upto": upto, "bounds": list(bounds_s)}
    )
    outcomes: dict[tuple[str, str], int] = {}
    lost: dict[str, int] = {}
    seconds: dict[str, tuple[list[int], float]] = {}
    for row in await cursor.fetchall():
        place = (row["agent"], row["kind"].removeprefix("stage."))
        outcomes[place] = outcomes.get(place, 0) + row["n"]
        if row["lost"]:
            lost[row["pool"]] = lost.get(row["pool"], 0) + row["n"]
        if row["bucket"] is not None and place[1] == "succeeded":
            counts, total = seconds.get(row["agent"], ([0] * (len(bounds_s) + 1), 0.0))
            counts[row["bucket"]] += row["n"]
            seconds[row["agent"]] = (counts, total + row["seconds"])
    return Ended(outcomes=outcomes, leases_lost=lost, seconds=seconds)
