"""What operators and tenants do to the queue, on the real database."""

from __future__ import annotations

from uuid import UUID

import pytest

from netra.ids import new_id
from netra.store import leftover_tables, tenant
from tests.integration.bench import Bench


@pytest.fixture
def batch(bench: Bench) -> UUID:
    batch_id = new_id()
    bench.queue.connection.execute(
        "INSERT INTO batches (id, tenant_id, name) VALUES (%s, 'default', %s)",
        [batch_id, str(batch_id)],
    )
    return batch_id


def test_a_stage_that_kills_its_process_twice_goes_to_the_dead_letters(bench: Bench) -> None:
    job = bench.submit({"name": "a"})
    bench.slots(1)
    for _ in range(2):
        assert bench.job(job)["state"] != "failed"
        claim = bench.started(pid=12)
        bench.queue.connection.execute(
            "UPDATE stages SET started_at = now() - interval '5 s' WHERE id = %s", [claim.stage_id]
        )
        bench.queue.heartbeat(bench.worker, [11], 10)
        assert bench.reap() == 1
    assert bench.kinds(job)[-1] == "job.failed"
    (letter,) = bench.queue.connection.execute("SELECT error, lost FROM dead_letters").fetchall()
    assert (letter["error"]["type"], letter["lost"]) == ("WorkerKilled", 2)
    bench.retry(job)
    bench.complete(bench.started())
    assert bench.job(job)["state"] == "succeeded"


def test_a_beat_counts_a_dead_process_once(bench: Bench) -> None:
    bench.submit({"name": "a"})
    bench.slots(1)
    claim = bench.started(pid=12)
    bench.queue.connection.execute("UPDATE stages SET started_at = now() - interval '5 s'")
    for _ in range(3):
        bench.queue.heartbeat(bench.worker, [11], 10)
    row = bench.queue.connection.execute(
        "SELECT killed FROM stages WHERE id = %s", [claim.stage_id]
    ).fetchone()
    assert row == {"killed": 1}


def test_the_jobs_of_a_batch_are_stopped_in_pieces_those_that_run_first(
    bench: Bench, batch: UUID
) -> None:
    jobs = [bench.submit({"name": "a"}, batch_id=str(batch)) for _ in range(5)]
    other = bench.submit({"name": "a"})
    bench.slots(1)
    claim = bench.started()
    assert bench.queue.stop_batches(2)["facts"] == []
    bench.queue.connection.execute("UPDATE batches SET stop_requested_at = now()")
    bench.keep(first := bench.queue.stop_batches(2))
    assert first["left"]
    assert bench.queue.should_stop(claim.stage_id, claim.fence)
    left = 0
    while first["left"]:
        bench.keep(first := bench.queue.stop_batches(2))
        left += 1
    assert left == 2
    assert bench.queue.stop_batches(2) == {"facts": [], "left": False}
    bench.keep(bench.queue.stopped(claim.stage_id, claim.fence))
    assert {bench.job(job)["state"] for job in jobs} == {"cancelled"}
    assert bench.job(other)["state"] == "queued"
    for job in jobs:
        assert bench.kinds(job).count("job.cancelled") == 1


def test_priority_can_be_changed_while_a_job_waits(bench: Bench) -> None:
    bench.submit({"name": "a"}, priority=5)
    later = bench.submit({"name": "a"}, {"name": "b", "after": ["a"]}, priority=5)
    bench.slots(1)
    assert bench._call("netra_prioritize", later, 9) is not None
    claim = bench.started()
    assert claim.job_id == later
    bench.complete(claim)
    assert bench.started().job_id == later
    bench.stop(later)
    assert bench.job(later)["priority"] == 9


def test_what_has_ended_has_no_priority(bench: Bench) -> None:
    job = bench.submit({"name": "a"})
    bench.stop(job)
    assert bench._call("netra_prioritize", job, 9) is None


def test_weights_and_limits_are_changed_by_an_operator(bench: Bench) -> None:
    pg = bench.queue.connection
    tenant.set_weight(pg, "default", 2.5)
    tenant.set_limit(pg, "default", 1)
    for _ in range(3):
        bench.submit({"name": "a"})
    bench.slots(3)
    assert len(bench.admit()) == 1
    (row,) = [row for row in tenant.all_of_them(pg) if row.id == "default"]
    assert (row.weight, row.max_running, row.ready, row.held) == (2.5, 1, 2, 1)
    tenant.set_limit(pg, "default", None)
    assert len(bench.admit()) == 2


def test_tables_of_attempts_that_lost_are_found_once_their_stage_has_ended(bench: Bench) -> None:
    job = bench.submit({"name": "a"})
    bench.slots(1)
    first = bench.started()
    bench.queue.wrote(first.stage_id, first.fence)
    bench.expire(first)
    bench.reap()
    pg = bench.queue.connection
    assert leftover_tables.waiting(pg, settled_s=0) == []
    second = bench.started()
    bench.queue.wrote(second.stage_id, second.fence)
    bench.complete(second)
    (found,) = leftover_tables.waiting(pg, settled_s=0)
    assert (found.stage_id, found.job_id, found.first_kept) == (second.stage_id, job, 2)
    assert leftover_tables.waiting(pg, settled_s=60) == []
