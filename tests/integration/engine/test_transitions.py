"""Each transition of the queue, on the real database."""

from __future__ import annotations

import threading

import pytest

from netra.agents.base import Child
from netra.engine.submit import fan_out_record
from netra.errors import LeaseLost
from netra.store import postgres
from netra.store.queue import Done, Following, Queue
from tests.integration.bench import Bench


def test_a_stage_runs_to_its_jobs_end(bench: Bench) -> None:
    job = bench.submit({"name": "a"})
    bench.slots(1)
    bench.complete(bench.started(), {"answer": 42})
    assert bench.kinds(job) == [
        "job.queued",
        "stage.admitted a",
        "job.started",
        "stage.started a",
        "stage.succeeded a",
        "job.succeeded",
    ]
    assert bench.job(job)["state"] == "succeeded"


def test_successors_wait_for_all_before_them(bench: Bench) -> None:
    job = bench.submit(
        {"name": "a"},
        {"name": "b", "after": ["a"]},
        {"name": "c", "after": ["a"]},
        {"name": "d", "after": ["b", "c"]},
    )
    bench.slots(4)
    bench.complete(bench.started())
    b, c = (bench.claim(message) for message in bench.admit())
    assert b is not None
    assert c is not None
    bench.complete(b)
    assert bench.stages(job)["d"] == "blocked"
    bench.complete(c)
    bench.complete(bench.started())
    assert bench.job(job)["state"] == "succeeded"


def test_nothing_is_admitted_beyond_the_slots(bench: Bench) -> None:
    for _ in range(5):
        bench.submit({"name": "a"})
    assert bench.admit() == []
    bench.slots(2)
    assert len(bench.admit()) == 2
    assert bench.admit() == []


def test_an_old_message_claims_nothing(bench: Bench) -> None:
    bench.submit({"name": "a"})
    bench.slots(1)
    (message,) = bench.admit()
    assert bench.claim({**message, "admission": message["admission"] - 1}) is None
    assert bench.claim(message) is not None
    assert bench.claim(message) is None


def test_a_lost_message_is_sent_again(bench: Bench) -> None:
    bench.submit({"name": "a"})
    bench.slots(1)
    (lost,) = bench.admit()
    answer = bench.queue.admit(["cpu"], ahead=0, stale_s=60, readmit_s=0)["cpu"]
    assert answer["messages"] == [{**lost, "admission": lost["admission"] + 1}]
    assert bench.claim(lost) is None


def test_a_stale_token_is_refused(bench: Bench) -> None:
    job = bench.submit({"name": "a"})
    bench.slots(1)
    first = bench.started()
    bench.expire(first)
    assert bench.reap() == 1
    second = bench.started()
    assert (second.attempt, second.fence) == (2, first.fence + 1)
    with pytest.raises(LeaseLost):
        bench.complete(first, {"from": "the stale worker"})
    with pytest.raises(LeaseLost):
        bench.queue.checkpoint(first.stage_id, first.fence, 1)
    bench.complete(second, {"from": "the winner"})
    row = bench.queue.connection.execute(
        "SELECT content, attempt FROM stage_results WHERE job_id = %s", [job]
    ).fetchone()
    assert row == {"content": {"from": "the winner"}, "attempt": 2}


def test_leases_are_renewed_for_living_processes_only(bench: Bench) -> None:
    bench.submit({"name": "a"}, {"name": "b"})
    bench.slots(2)
    messages = bench.admit()
    living, dead = (bench.claim(m, pid=pid) for m, pid in zip(messages, (11, 12), strict=True))
    assert living is not None
    assert dead is not None
    for claim in (living, dead):
        bench.expire(claim)
    held = bench.queue.heartbeat(bench.worker, [11], 10)
    assert [row["stage_id"] for row in held] == [living.stage_id]
    assert bench.reap() == 1
    assert not bench.queue.should_stop(living.stage_id, living.fence)
    assert bench.queue.should_stop(dead.stage_id, dead.fence)


def test_what_a_dead_process_held_is_free_at_once(bench: Bench) -> None:
    bench.submit({"name": "a"}, {"name": "b"})
    bench.slots(2)
    old, new = (bench.claim(message, pid=12) for message in bench.admit())
    assert old is not None
    assert new is not None
    bench.queue.connection.execute(
        "UPDATE stages SET started_at = now() - interval '5 s' WHERE id = %s", [old.stage_id]
    )
    assert bench.queue.heartbeat(bench.worker, [11], 10) == []
    assert bench.reap() == 1
    assert bench.queue.should_stop(old.stage_id, old.fence)
    assert not bench.queue.should_stop(new.stage_id, new.fence)


def test_a_lease_is_spared_just_after_the_database_started(bench: Bench) -> None:
    bench.submit({"name": "a"})
    bench.slots(1)
    bench.expire(bench.started())
    assert bench.queue.take_back(max_lost=5, max_killed=2, grace_s=1e6)["count"] == 0
    assert bench.reap() == 1


def test_failures_are_retried_and_then_end_the_job(bench: Bench) -> None:
    job = bench.submit({"name": "a"}, {"name": "b", "after": ["a"]})
    bench.slots(1)
    for _ in range(3):
        bench.fail(bench.started(), max_failures=3)
    assert bench.kinds(job)[-1] == "job.failed"
    assert bench.stages(job) == {"a": "failed", "b": "skipped"}
    letters = bench.queue.connection.execute("SELECT agent, error, attempts FROM dead_letters")
    assert [(r["agent"], r["error"]["message"], r["attempts"]) for r in letters] == [
        ("noop", "it broke", 3)
    ]


def test_lost_leases_are_counted_apart_from_failures(bench: Bench) -> None:
    job = bench.submit({"name": "a"})
    bench.slots(1)
    bench.fail(bench.started(), max_failures=2)
    for _ in range(2):
        bench.expire(bench.started())
        bench.reap(max_lost=3)
    assert bench.job(job)["state"] == "running"
    bench.expire(bench.started())
    bench.reap(max_lost=3)
    assert bench.job(job)["state"] == "failed"


def test_a_released_stage_counts_as_neither(bench: Bench) -> None:
    job = bench.submit({"name": "a"})
    bench.slots(1)
    for _ in range(10):
        claim = bench.started()
        bench.keep(bench.queue.release(claim.stage_id, claim.fence, 0, "a store is away"))
    bench.complete(bench.started())
    assert bench.job(job)["state"] == "succeeded"


def test_a_checkpoint_reaches_the_next_attempt(bench: Bench) -> None:
    bench.submit({"name": "a"})
    bench.slots(1)
    claim = bench.started()
    bench.queue.checkpoint(claim.stage_id, claim.fence, {"row": 7})
    bench.expire(claim)
    bench.reap()
    assert bench.started().checkpoint == {"row": 7}


def test_cancelling_ends_what_waits_and_tells_what_runs(bench: Bench) -> None:
    job = bench.submit({"name": "a"}, {"name": "b", "after": ["a"]})
    bench.slots(1)
    claim = bench.started()
    bench.stop(job)
    assert bench.stages(job) == {"a": "running", "b": "cancelled"}
    assert bench.queue.should_stop(claim.stage_id, claim.fence)
    (held,) = bench.queue.heartbeat(bench.worker, [1], 10)
    assert held["stop_s"] >= 0
    bench.keep(bench.queue.stopped(claim.stage_id, claim.fence))
    assert bench.kinds(job)[-2:] == ["stage.cancelled a", "job.cancelled"]
    assert bench.stop(job) is None


def test_a_cancelled_stage_that_is_lost_stays_cancelled(bench: Bench) -> None:
    job = bench.submit({"name": "a"})
    bench.slots(1)
    claim = bench.started()
    bench.stop(job)
    bench.expire(claim)
    bench.reap()
    assert bench.job(job)["state"] == "cancelled"


def test_a_deadline_fails_the_job(bench: Bench) -> None:
    job = bench.submit({"name": "a"}, deadline="2020-01-01T00:00:00Z")
    bench.keep(bench.queue.expire())
    assert bench.job(job)["state"] == "failed"
    assert bench.facts[-1]["payload"]["reason"] == "deadline"


def test_a_retry_is_a_new_epoch_that_keeps_what_succeeded(bench: Bench) -> None:
    job = bench.submit({"name": "a"}, {"name": "b", "after": ["a"]}, {"name": "c", "after": ["b"]})
    bench.slots(1)
    bench.complete(bench.started())
    bench.fail(bench.started(), retry=False)
    assert bench.retry(job) is not None
    assert bench.stages(job) == {"a": "succeeded", "b": "ready", "c": "blocked"}
    bench.complete(bench.started())
    bench.complete(bench.started())
    kinds = bench.kinds(job)
    assert [k for k in kinds if k.startswith("job.")] == [
        "job.queued",
        "job.started",
        "job.failed",
        "job.queued",
        "job.started",
        "job.succeeded",
    ]
    assert bench.job(job)["epoch"] == 2
    assert bench.retry(job) is None


def test_fan_out_is_inserted_with_the_completion(bench: Bench) -> None:
    job = bench.submit({"name": "a"}, {"name": "z", "after": ["a"]})
    bench.slots(4)
    children = [Child(name=f"part-{i}", agent="noop", params={"ticks": i}) for i in range(2)]
    fan_out = fan_out_record("a", children, Child(name="merge", agent="noop"))
    bench.complete(bench.started(), fan_out=fan_out)
    parts = [bench.claim(message) for message in bench.admit()]
    assert [p.params for p in parts if p] == [{"ticks": 0}, {"ticks": 1}]
    for part in parts:
        assert part is not None
        bench.complete(part)
    merge = bench.started()
    assert merge.after == ("a.part-0", "a.part-1")
    assert bench.stages(job)["z"] == "blocked"
    bench.complete(merge)
    bench.complete(bench.started())
    assert bench.job(job)["state"] == "succeeded"


def test_a_key_that_comes_again_finds_the_first_job(bench: Bench) -> None:
    first = bench.submit({"name": "a"}, idempotency_key="k", body_hash="h")
    assert bench.submit({"name": "a"}, idempotency_key="k", body_hash="h") == first
    count = bench.queue.connection.execute("SELECT count(*) AS n FROM stages").fetchone()
    assert count == {"n": 1}


def test_strays_are_handed_back(bench: Bench) -> None:
    job = bench.submit({"name": "a"}, {"name": "b"})
    bench.slots(2)
    kept, stray = (bench.claim(message, pid=7) for message in bench.admit())
    assert kept is not None
    assert stray is not None
    bench.keep(bench.queue.hand_back(bench.worker, 7, [kept.stage_id]))
    assert bench.stages(job) == {"a": "running", "b": "ready"}


def test_jobs_that_end_together_end_each_in_its_own_way(bench: Bench) -> None:
    """One statement completes the last running stages of four jobs, and a middle one of a fifth."""
    short = {"short": True}
    fine, broken, stopped, late = (
        bench.submit({"name": "a", **short}, {"name": "b", "after": after, **short})
        for after in ([], [], ["a"], [])
    )
    middle = bench.submit(
        {"name": "a", **short}, {"name": "b", **short}, {"name": "c", "after": ["a", "b"], **short}
    )
    bench.slots(9)
    bench.admit()
    claims = {(c.job_id, c.name): c for c in bench.claims(most=16)}
    assert len(claims) == 9
    bench.fail(claims.pop((broken, "b")), retry=False)
    bench.stop(stopped)
    bench.stop(late)
    bench.keep(
        bench.queue.finish(
            [
                Done(stage=claim.stage_id, fence=claim.fence, content={"of": name}, tables=[])
                for (_, name), claim in claims.items()
            ]
        )
    )
    assert [bench.job(job)["state"] for job in (fine, broken, stopped, late, middle)] == [
        *("succeeded", "failed", "cancelled", "succeeded", "running"),
    ]
    assert bench.stages(middle) == {"a": "succeeded", "b": "succeeded", "c": "ready"}
    *ended, last = bench.kinds(fine)[-3:]
    assert (sorted(ended), last) == (["stage.succeeded a", "stage.succeeded b"], "job.succeeded")
    payloads = {fact["job_id"]: fact["payload"] for fact in bench.facts if fact["stage"] is None}
    assert payloads[str(broken)] == {"failed_stages": ["b"]}
    assert payloads[str(stopped)] == payloads[str(late)] == {"reason": "cancelled"}
    left = bench.queue.connection.execute("SELECT sum(stages_left) AS n FROM jobs").fetchone()
    assert left == {"n": 1}


def test_a_stale_token_among_several_completes_none(bench: Bench) -> None:
    jobs = [bench.submit({"name": "a", "short": True}) for _ in range(2)]
    bench.slots(2)
    bench.admit()
    held = [
        Done(stage=claim.stage_id, fence=claim.fence + nth, content={}, tables=[])
        for nth, claim in enumerate(bench.claims(most=2))
    ]
    with pytest.raises(LeaseLost, match=f"^stage {held[1].stage} is no longer held with token 2$"):
        bench.queue.finish(held)
    assert [bench.stages(job) for job in jobs] == [{"a": "running"}] * 2


def test_a_stage_that_was_tried_before_is_claimed_alone(bench: Bench) -> None:
    for _ in range(3):
        bench.submit({"name": "a", "short": True})
    bench.slots(3)
    bench.admit()
    first, *_ = bench.claims(most=1)
    bench.keep(bench.queue.release(first.stage_id, first.fence, 0, "handed back"))
    bench.admit()
    assert [len(bench.claims(most=8)) for _ in range(3)] == [1, 2, 0]


@pytest.mark.parametrize("most", [1, 5])
def test_many_workers_complete_each_stage_once(bench: Bench, most: int) -> None:
    """Four connections claim and complete at once, while a fifth admits and reaps."""
    short = {"short": most > 1}
    jobs = [
        bench.submit(
            {"name": "a", **short},
            {"name": "b", "after": ["a"], **short},
            {"name": "c", "after": ["a"], **short},
        )
        for _ in range(40)
    ]
    following = Following(pool="cpu", worker=bench.worker, pid=1, lease_s=10, most=most)
    bench.slots(8)
    done = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        connection = postgres.connect(bench.settings.database, "test")
        try:
            queue = Queue(connection)
            while not done.is_set():
                answer = queue.claim(following)
                while answer["claims"]:
                    held = [
                        Done(stage=claim["stage_id"], fence=claim["fence"], content={}, tables=[])
                        for claim in answer["claims"]
                    ]
                    answer = queue.finish(held, following=following)
        except BaseException as e:
            errors.append(e)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3000):
            bench.queue.admit(["cpu"], ahead=1, stale_s=60, readmit_s=1)
            bench.queue.take_back(max_lost=5, max_killed=2, grace_s=0)
            left = bench.queue.connection.execute(
                "SELECT count(*) AS n FROM jobs WHERE state <> 'succeeded'"
            ).fetchone()
            if left == {"n": 0} or errors:
                break
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert errors == []
    for job in jobs:
        bench.facts = bench.queue.connection.execute(
            "SELECT job_id::text, epoch, seq, kind FROM facts WHERE job_id = %s AND seq > 1", [job]
        ).fetchall()
        assert len(bench.kinds(job)) == 12
        assert bench.job(job)["state"] == "succeeded"


def test_facts_are_handed_over_with_the_trace_of_their_job(bench: Bench) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    job = bench.submit({"name": "a"}, traceparent=trace)
    bench.slots(1)
    claim = bench.started()
    bench.complete(claim)
    handed = bench.facts
    assert [f["kind"] for f in handed][-1] == "job.succeeded"
    assert {f["traceparent"] for f in handed} == {claim.traceparent} == {trace}
    relayed = [f for f in bench.queue.unsent(0) if f["job_id"] == str(job)]
    assert len(relayed) == len(handed)
    assert {f["traceparent"] for f in relayed} == {trace}
