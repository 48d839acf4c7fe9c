"""What operators look at in PostgreSQL and Redis, and what they reset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from netra.store import slots
from netra.store.postgres import Connection, unavailable

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Connections to PostgreSQL of one application, on this database."""

    #: `netra-api`, `netra-scheduler`, `netra-holder-cpu`, …; empty: it gave no name.
    application: str
    total: int
    active: int
    idle: int
    #: In a transaction, with nothing to do: they hold locks.
    idle_in_transaction: int
    #: Waiting for a lock.
    waiting: int
    #: How long the oldest has been open, seconds.
    oldest_s: float


@dataclass(frozen=True, kw_only=True)
class Session:
    """One connection that holds up others, or may."""

    pid: int
    application: str
    state: str
    #: Since the transaction began, seconds.
    transaction_s: float
    #: Since it last asked for something, or answered, seconds.
    quiet_s: float
    query: str


@dataclass(frozen=True, kw_only=True)
class Overdue:
    """Running stages whose lease ran out and that nobody has taken back."""

    stages: int
    #: Since the first ran out, seconds.
    since_s: float
    #: One of them.
    stage_id: str
    job_id: str


@dataclass(frozen=True, kw_only=True)
class WorkerRow:
    id: UUID
    pool: str
    host: str
    pid: int
    concurrency: int
    device: str
    #: Since its last heartbeat, on PostgreSQL's clock, seconds.
    quiet_s: float
    #: Stages that it holds.
    running: int


_SESSIONS = """
    SELECT application_name AS application, count(*)::int AS total,
        (count(*) FILTER (WHERE state = 'active'))::int AS active,
        (count(*) FILTER (WHERE state = 'idle'))::int AS idle,
        (count(*) FILTER (WHERE state LIKE 'idle in transaction%'))::int AS idle_in_transaction,
        (count(*) FILTER (WHERE wait_event_type = 'Lock'))::int AS waiting,
        extract(epoch FROM clock_timestamp() - min(backend_start))::float8 AS oldest_s
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
        AND pid <> pg_backend_pid()
    GROUP BY application_name ORDER BY total DESC, application_name
"""
_ONE_SESSION = """
    SELECT pid, application_name AS application, coalesce(state, '') AS state,
        coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::float8 AS transaction_s,
        coalesce(extract(epoch FROM clock_timestamp()
            - greatest(state_change, query_start)), 0)::float8 AS quiet_s,
        left(regexp_replace(query, '\\s+', ' ', 'g'), 120) AS query
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
        AND pid <> pg_backend_pid()
        AND (%(application)s::text IS NULL OR application_name = %(application)s)
        AND (%(idle_s)s::float8 IS NULL OR (state LIKE 'idle in transaction%%'
            AND state_change < clock_timestamp() - make_interval(secs => %(idle_s)s)))
    ORDER BY xact_start NULLS LAST, pid
"""
_WORKERS = """
    SELECT w.id, w.pool, w.host, w.pid, w.concurrency, w.device,
        extract(epoch FROM clock_timestamp() - w.heartbeat_at)::float8 AS quiet_s,
        (SELECT count(*) FROM stages s WHERE s.state = 'running' AND s.worker_id = w.id)::int
            AS running
    FROM workers w ORDER BY w.pool, w.host, w.pid
"""
_OVERDUE = """
    SELECT id AS stage_id, job_id,
        extract(epoch FROM clock_timestamp() - lease_until)::float8 AS since_s
    FROM stages
    WHERE state = 'running' AND lease_until < clock_timestamp() - make_interval(secs => %s)
    ORDER BY lease_until
"""


def sessions(pg: Connection) -> list[Sessions]:
    """All but this one, by application."""
    with unavailable():
        return [Sessions(**row) for row in pg.execute(_SESSIONS.encode()).fetchall()]


def connections_allowed(pg: Connection) -> int:
    with unavailable():
        row = pg.execute("SELECT current_setting('max_connections')::int AS n").fetchone()
    return row["n"] if row else 0


def idle_in_transaction(pg: Connection, longer_than_s: float) -> list[Session]:
    """Sessions that have been in a transaction, doing nothing, for so long; the oldest first."""
    return _listed(pg, None, longer_than_s)


def of_application(pg: Connection, application: str) -> list[Session]:
    return _listed(pg, application, None)


def _listed(pg: Connection, application: str | None, idle_s: float | None) -> list[Session]:
    asked = {"application": application, "idle_s": idle_s}
    with unavailable():
        return [Session(**row) for row in pg.execute(_ONE_SESSION.encode(), asked).fetchall()]


def end_sessions(
    pg: Connection, *, pid: int | None = None, application: str | None = None
) -> list[int]:
    """Ends the sessions of a pid or an application, on this database; the pids of those ended.

    Netra's processes connect again by themselves; a transaction under way is rolled back.
    """
    with unavailable():
        rows = pg.execute(
            # Chosen first, ended then: else the planner may end every session it looks at.
            "WITH chosen AS MATERIALIZED (SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'"
            " AND pid <> pg_backend_pid()"
            " AND (pid = %(pid)s OR application_name = %(application)s))"
            " SELECT pid, pg_terminate_backend(pid) FROM chosen",
            {"pid": pid, "application": application},
        ).fetchall()
    return [row["pid"] for row in rows]


def unread_slots(pg: Connection) -> dict[str, int]:
    """Replication slots without a reader, and how much log is kept for each, bytes.

    On a replica, whose log does not end here, and for a slot that has kept none yet, 0.
    """
    with unavailable():
        rows = pg.execute(
            f"""
            SELECT slot_name, CASE WHEN pg_is_in_recovery() THEN 0 ELSE coalesce(
                pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint END AS held
            FROM pg_replication_slots WHERE NOT {slots.READ} ORDER BY slot_name
            """  # noqa: S608
        ).fetchall()
    return {row["slot_name"]: row["held"] for row in rows}


def workers(pg: Connection) -> list[WorkerRow]:
    """Those that have not been forgotten yet, living or not."""
    with unavailable():
        return [WorkerRow(**row) for row in pg.execute(_WORKERS.encode()).fetchall()]


def overdue(pg: Connection, longer_than_s: float) -> Overdue | None:
    """Leases that ran out so long ago that somebody should have taken them back."""
    with unavailable():
        rows = pg.execute(_OVERDUE.encode(), [longer_than_s]).fetchall()
    if not rows:
        return None
    first = rows[0]
    return Overdue(
        stages=len(rows),
        since_s=first["since_s"],
        stage_id=str(first["stage_id"]),
        job_id=str(first["job_id"]),
    )


@dataclass(frozen=True, kw_only=True)
class Clients:
    """Connections to Redis by what they do."""

    total: int
    #: Listening to channels: one an API process, and Celery's.
    subscribed: int
    #: Waiting in a blocking command: workers that wait for wake-ups.
    blocked: int
    #: How long the longest has been silent, seconds.
    idle_s: int
    #: What the server has not been able to send yet, bytes.
    output_bytes: int


def redis_clients(client: Redis) -> Clients:
    rows: Any = client.client_list()
    return Clients(
        total=len(rows),
        subscribed=sum(int(r["sub"]) + int(r["psub"]) > 0 for r in rows),
        blocked=sum("b" in r["flags"] for r in rows),
        idle_s=max((int(r["idle"]) for r in rows), default=0),
        output_bytes=sum(int(r["omem"]) for r in rows),
    )


def end_redis_clients(client: Redis) -> int:
    """Closes all connections but this one's; they are opened again by themselves."""
    reply: Any = client.client_kill_filter(skipme=True, _type="normal")
    return int(reply) + int(client.client_kill_filter(skipme=True, _type="pubsub") or 0)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, kw_only=True)
class StagesRow:
    """Stages of a pool in one state."""

    pool: str
    state: str
    stages: int
    #: How long the oldest has been in it, seconds.
    oldest_s: float | None


_STAGES = """
    SELECT pool, state, count(*)::int AS stages,
        extract(epoch FROM clock_timestamp() - min(CASE state WHEN 'running' THEN started_at
            WHEN 'admitted' THEN admitted_at ELSE greatest(ready_at, run_at) END))::float8
            AS oldest_s
    FROM stages WHERE state = 'ready' OR state = 'admitted' OR state = 'running'
    GROUP BY pool, state ORDER BY pool, state
"""


def stages(pg: Connection) -> list[StagesRow]:
    """Those that wait or run."""
    with unavailable():
        return [StagesRow(**row) for row in pg.execute(_STAGES.encode()).fetchall()]
