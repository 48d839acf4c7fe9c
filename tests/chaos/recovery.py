"""Kills what runs a stage, and measures how soon that stage runs again, by PostgreSQL's clock."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from dataclasses import dataclass
from typing import Any

import psycopg

from netra.errors import NetraError
from netra.settings import Settings
from netra.store import postgres

#: A stage is worth a kill if it sleeps at least this long and began within the last second, so
#: that it cannot have ended by itself before its process is dead.
_LONG_S = 2.0
#: For how long a stage to hit is looked for, and for how long its next start is awaited, seconds.
_LOOK_S = 60.0
_AWAIT_S = 60.0


@dataclass(frozen=True)
class Victim:
    job: str
    stage: str
    pool: str
    attempt: int
    #: The process that runs it, and the worker that the process belongs to.
    pid: int
    worker: str
    parent: int


class Recovery:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        #: Seconds from each kill to the stage's next start; `after[True]` of whole workers.
        self.after: dict[bool, list[float]] = {False: [], True: []}
        self.unseen = 0
        self._lock = threading.Lock()

    def await_calm(self, pool: str) -> None:
        """Until no stage waits for its turn in the pool, so that the time to be taken has none."""
        until = time.monotonic() + _LOOK_S
        while time.monotonic() < until:
            with (
                contextlib.suppress(NetraError, psycopg.OperationalError),
                postgres.connect(self.settings.database, "chaos") as pg,
            ):
                if _waiting(pg, pool) == 0:
                    return
            time.sleep(0.5)
        print(f"stages wait all the time in the {pool} pool: a kill may take longer", flush=True)

    def kill(self, pool: str, *, parent: bool, rng: random.Random) -> None:
        """Kills a child, or a worker with all that it runs, and awaits the stages' next starts."""
        until = time.monotonic() + _LOOK_S
        while time.monotonic() < until:
            with (
                contextlib.suppress(NetraError, psycopg.OperationalError, ProcessLookupError),
                postgres.connect(self.settings.database, "chaos") as pg,
            ):
                if victims := _running(pg, pool):
                    hit = rng.choice(victims)
                    same = "worker" if parent else "pid"
                    hits = [v for v in victims if getattr(v, same) == getattr(hit, same)]
                    at = _now(pg)
                    os.kill(hit.parent if parent else hit.pid, signal.SIGKILL)
                    self._await(pg, hits, at, parent)
                    return
            time.sleep(0.1)
        self.unseen += 1
        print(f"no stage ran in the {pool} pool that a kill could hit", flush=True)

    def _await(self, pg: postgres.Connection, hits: list[Victim], at: float, parent: bool) -> None:
        until = time.monotonic() + _AWAIT_S
        left = list(hits)
        #: What was seen of the pool, by PostgreSQL's clock.
        seen: list[tuple[float, str]] = []
        while left and time.monotonic() < until:
            time.sleep(0.2)
            seen.append(_look(pg, hits[0].pool))
            for victim in list(left):
                if started := _next_start(pg, victim):
                    left.remove(victim)
                    with self._lock:
                        self.after[parent].append(round(started - at, 2))
                    if started - at > self.settings.queue.lease_s + 2:
                        steps = _steps(pg, victim, at)
                        since = at + steps.get("stage.retried", 0.0) - 0.5
                        looks = [(round(when - at, 1), what) for when, what in seen if when > since]
                        print(
                            f"late, s after the kill: {steps}; idle processes by worker / admitted"
                            f" stages: {looks}",
                            flush=True,
                        )
        if left:
            self.unseen += len(left)
            print(f"not seen to run again within {_AWAIT_S:.0f} s: {left}", flush=True)

    @property
    def worst_s(self) -> float | None:
        """The longest, seconds; None if nothing was hit."""
        found = self.after[False] + self.after[True]
        return max(found) if found else None


def _running(pg: postgres.Connection, pool: str) -> list[Victim]:
    rows = pg.execute(
        "SELECT s.job_id::text AS job, s.name AS stage, s.pool, s.attempt, s.worker_pid AS pid,"
        " w.id::text AS worker, w.pid AS parent"
        " FROM stages s JOIN workers w ON w.id = s.worker_id"
        # One that is killed a second time is a dead letter, and never starts again.
        " WHERE s.state = 'running' AND s.pool = %s AND s.killed = 0"
        " AND (s.params->>'sleep_s')::float8 >= %s"
        " AND s.started_at > clock_timestamp() - interval '1 s'"
        " AND NOT coalesce((s.params->>'dies')::bool, false)"
        " AND coalesce((s.params->>'hold_mb')::int, 0) = 0",
        [pool, _LONG_S],
    ).fetchall()
    return [Victim(**row) for row in rows]


def _waiting(pg: postgres.Connection, pool: str) -> int:
    return _one(
        pg,
        "SELECT count(*) AS at FROM stages WHERE pool = %s AND state IN ('ready', 'admitted')"
        " AND ready_at < clock_timestamp() - interval '1 s'"
        " AND run_at < clock_timestamp() - interval '1 s'",
        [pool],
    )


def _look(pg: postgres.Connection, pool: str) -> tuple[float, str]:
    """Now, and `idle+idle/waiting`: processes that run nothing, by living worker from the one that
    began first, and stages that are admitted."""
    row = pg.execute(
        "SELECT extract(epoch FROM clock_timestamp())::float8 AS at, (SELECT count(*) FROM stages"
        " WHERE pool = %(pool)s AND state = 'admitted') AS waiting, coalesce((SELECT"
        " string_agg((w.concurrency - (SELECT count(*) FROM stages s WHERE s.worker_id = w.id"
        " AND s.state = 'running'))::text, '+' ORDER BY w.started_at) FROM workers w"
        " WHERE w.pool = %(pool)s AND w.heartbeat_at > clock_timestamp() - interval '2 s'), 'none')"
        " AS idle",
        {"pool": pool},
    ).fetchone()
    assert row is not None
    return row["at"], f"{row['idle']}/{row['waiting']}"


def _now(pg: postgres.Connection) -> float:
    return _one(pg, "SELECT extract(epoch FROM clock_timestamp())::float8 AS at", [])


def _next_start(pg: postgres.Connection, victim: Victim) -> float | None:
    return _one(
        pg,
        "SELECT extract(epoch FROM min(ts))::float8 AS at FROM facts"
        " WHERE job_id = %s AND stage = %s AND kind = 'stage.started'"
        " AND (payload->>'attempt')::int > %s",
        [victim.job, victim.stage, victim.attempt],
    )


def _steps(pg: postgres.Connection, victim: Victim, at: float) -> dict[str, float]:
    """Seconds from a kill to what became of the stage: taken back, admitted, started.

    Long before it started says that no process was free: what runs waits for a store, too.
    """
    rows = pg.execute(
        "SELECT kind, extract(epoch FROM min(ts))::float8 AS at FROM facts"
        " WHERE job_id = %s AND stage = %s AND ts > to_timestamp(%s)"
        " AND kind IN ('stage.retried', 'stage.admitted', 'stage.started')"
        " GROUP BY kind ORDER BY min(ts)",
        [victim.job, victim.stage, at],
    ).fetchall()
    return {row["kind"]: round(row["at"] - at, 2) for row in rows}


def _one(pg: postgres.Connection, statement: str, values: list[Any]) -> Any:
    row = pg.execute(statement.encode(), values).fetchone()
    return row["at"] if row else None
