"""The queue: workers that live, a scheduler that turns, leases that nobody leaves behind."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator

import psutil

from netra.cli.checks import worker_process
from netra.cli.checks.check import Check, Subject
from netra.errors import StoreUnavailable
from netra.store import operating, tenant
from netra.store import postgres as postgres_store
from netra.store.operating import WorkerRow
from netra.store.postgres import Connection

#: The scheduler asks PostgreSQL at least once a second; one that is silent so long hangs, seconds.
_SCHEDULER_QUIET_S = 10.0
#: A lease that ran out is taken back within a second; one that is left so long is stuck, seconds.
_OVERDUE_S = 5.0
#: No transaction of Netra's waits for anything but PostgreSQL, seconds.
_IDLE_TRANSACTION_S = 5.0
#: A scheduler that is not there may be starting: it is looked for so long, seconds.
_PATIENCE_S = 6.0
#: Tenants that wait for their own limit, named one by one.
_TENANTS_SHOWN = 5
_SCHEDULER = "netra-scheduler"
_POOLS = ("cpu", "gpu")
#: The scheduler forgets a worker that has been silent for so many times `queue.worker_stale_s`.
FORGOTTEN_AFTER = 10


def queue(on: Subject) -> Iterator[Check]:
    """Nothing, where PostgreSQL cannot be asked: its own check says why."""
    if not on.settings.database.url:
        return
    try:
        connection = postgres_store.connect(on.settings.database, "doctor")
    except StoreUnavailable:
        return
    with connection:
        row = connection.execute("SELECT to_regclass('stages') IS NOT NULL AS there").fetchone()
        if not row or not row["there"]:
            return
        rows = operating.workers(connection)
        stale_s = on.settings.queue.worker_stale_s
        waiting = operating.stages(connection)
        for pool in _POOLS:
            yield from _silent(pool, rows, on)
            waits = sum(row.stages for row in waiting if (row.pool, row.state) in _waits(pool))
            # Where a pool is scaled down to nothing, a stage that waits is what brings it back.
            expected = pool == "cpu" or (on.running and on.wants_gpu_worker)
            yield _pool(pool, rows, stale_s, waits=waits, expected=expected)
        yield _scheduler(connection)
        yield _transactions(connection)
        yield _leases(connection)
        yield _limits(connection)


def _waits(pool: str) -> tuple[tuple[str, str], ...]:
    return ((pool, "ready"), (pool, "admitted"))


def _pool(pool: str, rows: list[WorkerRow], stale_s: float, *, waits: int, expected: bool) -> Check:
    living = [row for row in rows if row.pool == pool and row.quiet_s <= stale_s]
    slots = sum(row.concurrency for row in living)
    if living:
        found = f"{len(living)} alive with {slots} slots"
        return Check(name=f"workers {pool}", state="ok", found=found)
    if not (expected or waits):
        found = "none runs, and no stage waits for one"
        return Check(name=f"workers {pool}", state="ok", found=found)
    return Check(
        name=f"workers {pool}",
        state="warn",
        found=f"none has given a sign of life for {stale_s:g} s; {waits} stages wait for one",
        mend=f"jobs wait until one runs: netra worker {pool}; see its log",
    )


def _silent(pool: str, rows: list[WorkerRow], on: Subject) -> Iterator[Check]:
    """Workers that were not told to go and yet say nothing."""
    stale_s = on.settings.queue.worker_stale_s
    goes = f"its row goes by itself once it has been silent for {FORGOTTEN_AFTER * stale_s:g} s"
    for row in rows:
        if row.pool != pool or row.quiet_s <= stale_s:
            continue
        silent = f"pid {row.pid} on {row.host} has been silent for {row.quiet_s:.0f} s"
        if row.host != platform.node():
            mend = f"look at host {row.host}: its network and its log; if it was removed, {goes}"
            yield Check(
                name=f"worker-{pool}",
                state="warn",
                found=f"{silent}: it is cut off or hangs, or its host is gone",
                mend=mend,
            )
            continue
        whose = worker_process.whose(row, on)
        if whose == "worker":
            yield Check(
                name=f"worker-{pool}",
                state="fail",
                found=f"{silent}: {_why(row.pid)}",
                mend=f"kill -CONT {row.pid}, or kill -9 {row.pid}: its stages run again elsewhere",
            )
        elif whose == "unknown":
            yield Check(
                name=f"worker-{pool}",
                state="warn",
                found=f"{silent}, and whether that process is still this worker cannot be told",
                mend=f"ps -o pid,lstart,args -p {row.pid} says what it is; if it is no worker of"
                f" this installation, leave it alone: {goes}",
            )
        # Else it died, and whoever runs it has started another or will; its pid is another's.


def _why(pid: int) -> str:
    try:
        held_still = psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        held_still = False
    return "it is held still (stopped by a signal)" if held_still else "it is cut off or hangs"


def _scheduler(connection: Connection) -> Check:
    turning = operating.of_application(connection, _SCHEDULER)
    end = time.monotonic() + _PATIENCE_S
    while not turning and time.monotonic() < end:  # one that was just restarted needs a moment
        time.sleep(0.5)
        turning = operating.of_application(connection, _SCHEDULER)
    if not turning:
        return Check(
            name="scheduler",
            state="fail",
            found="no scheduler is connected to PostgreSQL: nothing is admitted or taken back",
            mend="start one: netra scheduler; see its log",
        )
    quiet_s = min(session.quiet_s for session in turning)
    if quiet_s > _SCHEDULER_QUIET_S:
        found = f"connected, but it has asked nothing for {quiet_s:.0f} s: it hangs or is held up"
        mend = "restart it; another takes over at once where several run"
        return Check(name="scheduler", state="fail", found=found, mend=mend)
    found = f"{len(turning)} connected, the last asked {quiet_s:.1f} s ago"
    return Check(name="scheduler", state="ok", found=found)


def _transactions(connection: Connection) -> Check:
    name = "postgres transactions"
    waiting = operating.idle_in_transaction(connection, _IDLE_TRANSACTION_S)
    if not waiting:
        return Check(name=name, state="ok", found="none is left open")
    one = waiting[0]
    who = one.application or "an unnamed application"
    return Check(
        name=name,
        state="fail",
        found=f"{len(waiting)} left open; pid {one.pid} ({who}) for {one.transaction_s:.0f} s, its"
        f" locks held; last statement: {one.query}",
        mend=f"end it there, or: netra admin reset --pid {one.pid}",
    )


def _leases(connection: Connection) -> Check:
    found = operating.overdue(connection, _OVERDUE_S)
    if found is None:
        return Check(name="leases", state="ok", found="none has run out and been left")
    return Check(
        name="leases",
        state="fail",
        found=f"{found.stages} stages are stuck: their leases ran out up to {found.since_s:.0f} s"
        f" ago and nobody took them back (stage {found.stage_id} of job {found.job_id})",
        mend="a scheduler that turns takes them back; if one does, something locks the job's row",
    )


def _limits(connection: Connection) -> Check:
    """A limit that is reached does what it is there for; one of none lets nothing begin, ever."""
    name = "tenant limits"
    held_back = tenant.held_back(connection)
    if not held_back:
        return Check(name=name, state="ok", found="none holds a stage back")
    found = "; ".join(map(str, held_back[:_TENANTS_SHOWN]))
    if len(held_back) > _TENANTS_SHOWN:
        found += f"; and {len(held_back) - _TENANTS_SHOWN:,} more tenants: netra admin queue"
    shut = [limited.tenant for limited in held_back if limited.max_running == 0]
    if not shut:
        return Check(name=name, state="ok", found=found)
    return Check(
        name=name,
        state="warn",
        found=found,
        mend=f"a limit of 0 lets nothing begin: raise that of {', '.join(shut[:_TENANTS_SHOWN])} if"
        " that is not wanted",
    )
