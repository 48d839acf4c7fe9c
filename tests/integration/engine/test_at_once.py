"""A job that comes while nothing waits is admitted by the transaction that writes it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from netra.engine.scheduler import Scheduler
from netra.store import postgres
from netra.store.ear import Ear, Said
from netra.store.queue import Following, Queue
from tests.integration.bench import Bench, job_body


@pytest.fixture
def ear(bench: Bench) -> Iterator[Ear]:
    with postgres.connect(bench.settings.database, "test-ear") as connection:
        yield Ear(connection)


def heard(ear: Ear, n: int) -> list[Said]:
    """The next `n` things that are said, each once; fewer if nothing comes for a while."""
    found: list[Said] = []
    while len(found) < n and (said := list(ear.listen(5.0))):
        for one in said:
            # A claim may have said that few are left, before a completion says the same.
            if one not in found:
                found.append(one)
    return found


def submit(bench: Bench, *jobs: Sequence[dict[str, Any]], tenant: str = "default") -> list[UUID]:
    """Writes jobs of stages as the API does, in one transaction."""
    bench.queue.connection.execute(
        "INSERT INTO tenants (id) VALUES (%s) ON CONFLICT DO NOTHING", [tenant]
    )
    bodies = [job_body(*stages, tenant=tenant) for stages in jobs]
    row = bench.queue.connection.execute(
        "SELECT netra_submit(%s, 60) AS r", [Jsonb(bodies)]
    ).fetchone()
    assert row is not None
    assert [job["created"] for job in row["r"]["jobs"]] == [True] * len(jobs)
    return [UUID(job["id"]) for job in row["r"]["jobs"]]


def states(bench: Bench, *jobs: UUID) -> list[str]:
    rows = bench.queue.connection.execute(
        "SELECT state FROM stages WHERE job_id = ANY(%s) ORDER BY job_id, position", [list(jobs)]
    ).fetchall()
    return [row["state"] for row in rows]


A: tuple[dict[str, Any], ...] = ({"name": "a"},)


def test_it_is_admitted_and_said_with_all_that_a_scheduler_needs(bench: Bench, ear: Ear) -> None:
    bench.slots(2)
    pair = ({"name": "a"}, {"name": "b", "after": ["a"]})
    (job,) = submit(bench, pair)
    assert states(bench, job) == ["admitted", "blocked"]
    (said,) = heard(ear, 1)
    assert isinstance(said, dict)
    (message,) = said["cpu"]["messages"]
    (fact,) = said["cpu"]["facts"]
    assert (message["admission"], fact["kind"], fact["stage"], fact["seq"]) == (
        *(1, "stage.admitted", "a", 2),
    )
    # Until somebody has sent it, it stands in the outbox.
    assert bench.queue.unsent(-60) == [fact]
    (claim,) = bench.claims()
    assert (str(claim.stage_id), claim.name) == (message["stage_id"], "a")
    bench.complete(claim)
    assert bench.job(job)["seq"] == 5


def test_what_comes_together_is_admitted_together_if_there_is_room(bench: Bench, ear: Ear) -> None:
    bench.slots(3)
    jobs = submit(bench, A, A)
    assert states(bench, *jobs) == ["admitted"] * 2
    (said,) = heard(ear, 1)
    assert isinstance(said, dict)
    assert len(said["cpu"]["messages"]) == 2
    # One slot is left.
    assert states(bench, *submit(bench, A, A)) == ["ready"] * 2
    assert heard(ear, 1) == ["now"]


@pytest.mark.parametrize("case", ["no worker", "no slot", "others wait", "a limit", "many"])
def test_what_there_is_to_choose_from_is_left_to_the_scheduler(
    bench: Bench, ear: Ear, case: str
) -> None:
    n = 9 if case == "many" else 1
    if case != "no worker":
        bench.slots(1 if case == "no slot" else 20)
    if case == "no slot":
        submit(bench, A)
        bench.claims()
    if case == "others wait":
        bench.queue.connection.execute("UPDATE tenants SET max_running = 0")
        submit(bench, A, tenant="other")
        bench.queue.connection.execute("UPDATE tenants SET max_running = 0 WHERE id = 'other'")
        bench.queue.connection.execute("UPDATE tenants SET max_running = NULL WHERE id = 'default'")
        bench.queue.connection.execute("UPDATE workers SET concurrency = 1")
    if case == "a limit":
        bench.queue.connection.execute("UPDATE tenants SET max_running = 0")
    list(ear.listen(0.2))
    try:
        jobs = submit(bench, *([A] * n))
        assert states(bench, *jobs) == ["ready"] * n
        assert heard(ear, 1) == ["now"]
    finally:
        bench.queue.connection.execute("UPDATE tenants SET max_running = NULL")


def test_each_pool_is_for_itself(bench: Bench, ear: Ear) -> None:
    bench.slots(1)
    (job,) = submit(bench, ({"name": "a"}, {"name": "g", "pool": "gpu"}))
    assert states(bench, job) == ["admitted", "ready"]
    first, second = heard(ear, 2)
    assert isinstance(first, dict)
    assert ([*first], second) == (["cpu"], "now")


def test_nothing_is_admitted_while_another_admits(bench: Bench, ear: Ear) -> None:
    bench.slots(1)
    with (
        postgres.connect(bench.settings.database, "test-other") as other,
        other.transaction(),
    ):
        other.execute("SELECT pg_advisory_xact_lock(hashtext('netra_admit'))")
        jobs = submit(bench, A)
        assert states(bench, *jobs) == ["ready"]
    assert heard(ear, 1) == ["now"]


def test_turns_are_counted_as_the_scheduler_counts_them(bench: Bench) -> None:
    """One at a time, or two with a choice: a tenant's place among others comes out the same."""
    pg = bench.queue.connection
    pg.execute("INSERT INTO tenants (id, weight) VALUES ('heavy', 4) ON CONFLICT DO NOTHING")

    def shares() -> dict[str, tuple[float, float]]:
        rows = pg.execute("SELECT tenant_id, started, finished FROM shares").fetchall()
        pg.execute("DELETE FROM shares")
        return {row["tenant_id"]: (row["started"], row["finished"]) for row in rows}

    def run(at_once: bool) -> dict[str, tuple[float, float]]:
        bench.slots(8)
        for tenant in ("heavy", "heavy", "default"):
            if at_once:
                submit(bench, A, tenant=tenant)
            else:
                bench.submit(*A, tenant=tenant)
                # A second one, so that there is a choice; it may not run yet.
                later = bench.submit(*A, tenant=tenant)
                pg.execute(
                    "UPDATE stages SET run_at = run_at + interval '1 h' WHERE job_id = %s", [later]
                )
                bench.admit()
        for claim in bench.claims(most=8):
            bench.complete(claim)
        while held := bench.claims():
            bench.complete(held[0])
        pg.execute("DELETE FROM stages WHERE state = 'ready'")
        return shares()

    assert run(True) == run(False) == {"heavy": (0.25, 0.5), "default": (0.0, 1.0)}


def test_of_several_ears_one_acts_on_what_others_admitted(bench: Bench) -> None:
    bench.slots(5)
    with (
        postgres.connect(bench.settings.database, "test-ear") as one,
        postgres.connect(bench.settings.database, "test-ear") as two,
    ):
        first, second = Ear(one), Ear(two)
        assert list(first.listen(0.0)) == list(second.listen(0.0)) == []
        submit(bench, A)
        (said,) = heard(first, 1)
        assert isinstance(said, dict)
        assert list(second.listen(0.2)) == []
        one.close()
        until = time.monotonic() + 10
        while not second._acts and time.monotonic() < until:
            list(second.listen(0.1))
        submit(bench, A)
        (said,) = heard(second, 1)
        assert isinstance(said, dict)


def test_what_an_ear_does_not_understand_is_a_call_to_look(bench: Bench, ear: Ear) -> None:
    list(ear.listen(0.0))
    for payload in ("nonsense", "[1]", "17"):
        bench.queue.connection.execute("SELECT pg_notify('netra_wake', %s)", [payload])
        assert heard(ear, 1) == ["now"]


def test_a_slot_that_is_freed_is_looked_after_now_if_anything_is_ready(
    bench: Bench, ear: Ear
) -> None:
    bench.slots(1)
    (job,) = submit(bench, ({"name": "a"}, {"name": "b"}))
    assert heard(ear, 1) == ["now"]
    bench.admit()
    (first,) = bench.claims()
    # Now and then who claims says that few are left.
    list(ear.listen(0.1))
    bench.complete(first)
    assert heard(ear, 1) == ["now"]
    bench.admit()
    (second,) = bench.claims()
    assert second.job_id == job
    list(ear.listen(0.1))
    bench.complete(second)
    assert heard(ear, 1) == ["soon"]


def test_two_workers_take_what_waits_of_two_tenants(bench: Bench) -> None:
    """What one of them has not yet committed keeps the other from nothing that it does not take."""
    bench.slots(4)
    (running,) = submit(bench, A)
    bench.claims()
    (first,) = submit(bench, A)
    (other,) = submit(bench, A, tenant="other")
    assert states(bench, running, first, other) == ["running", "admitted", "admitted"]
    with postgres.connect(bench.settings.database, "test-other") as connection:
        queue = Queue(connection)
        following = Following(pool="cpu", worker=bench.worker, pid=2, lease_s=10, most=1)
        with connection.transaction():
            (one,) = queue.claim(following)["claims"]
            (two,) = bench.claims(pid=3)
            assert {one["job_id"], str(two.job_id)} == {str(first), str(other)}


class Recorder:
    """Stands for the broker."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.came = threading.Event()

    def __call__(self, pool: str, messages: Sequence[dict[str, Any]]) -> None:
        self.sent += [message["stage_id"] for message in messages]
        self.came.set()

    def renew(self, pool: str, wanted: int) -> None:
        pass


def test_a_scheduler_wakes_a_worker_for_what_it_did_not_admit(bench: Bench) -> None:
    bench.slots(5)
    recorder = Recorder()
    scheduler = Scheduler(bench.settings, recorder)
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    try:
        until = time.monotonic() + 10
        listening = (
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND objid = (hashtext('netra_ear')::bigint & 4294967295)::oid"
        )
        while not bench.queue.connection.execute(listening).fetchone():
            assert time.monotonic() < until
            time.sleep(0.01)
        (job,) = submit(bench, A)
        assert states(bench, job) == ["admitted"]
        assert recorder.came.wait(10)
        row = bench.queue.connection.execute(
            "SELECT id::text FROM stages WHERE job_id = %s", [job]
        ).fetchone()
        assert row is not None
        assert recorder.sent == [row["id"]]
        # Its facts leave the outbox.
        while bench.queue.unsent(-60):
            assert time.monotonic() < until + 10
            time.sleep(0.05)
    finally:
        scheduler.stop.set()
        thread.join()
