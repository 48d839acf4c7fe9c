"""A worker's child, run in this process against the real stores."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest

from netra import settings as settings_module
from netra.progress.channels import job_channel
from netra.settings import Settings
from netra.store import postgres, redis
from netra.store.queue import Done, Queue
from netra.tasks import execute
from netra.tasks.child import Child
from netra.tasks.lookout import Lookout
from tests.integration.bench import Bench
from tests.integration.tasks import agents
from tests.integration.valkey import Valkey
from tests.waiting import until


@pytest.fixture(autouse=True)
def _agents(store_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    agents.known()
    monkeypatch.setattr(settings_module, "current", lambda: store_settings)


@pytest.fixture
def child(bench: Bench) -> Iterator[Child]:
    child = Child(bench.settings, bench.worker, "cpu", "numpy")
    yield child
    child.close()


def serve(bench: Bench, child: Child) -> None:
    """Admits what is ready and serves the first wake-up; the child's loop takes the rest."""
    assert bench.admit()
    child.serve()


def result(bench: Bench, job: UUID, name: str = "a") -> Any:
    row = bench.queue.connection.execute(
        "SELECT r.content FROM stage_results r JOIN stages s ON s.id = r.stage_id"
        " WHERE s.job_id = %s AND s.name = %s",
        [job, name],
    ).fetchone()
    return row["content"] if row else None


def test_one_wake_up_serves_all_that_is_admitted(bench: Bench, child: Child) -> None:
    jobs = [bench.submit({"name": "a"}) for _ in range(3)]
    bench.slots(3)
    serve(bench, child)
    assert [bench.job(job)["state"] for job in jobs] == ["succeeded"] * 3


def test_facts_are_published_and_marked(bench: Bench, child: Child) -> None:
    job = bench.submit({"name": "a", "params": {"ticks": 1}})
    bench.slots(1)
    ear = redis.connect(bench.settings.redis).pubsub()
    ear.subscribe(job_channel("default", str(job)))
    ear.get_message(timeout=30)
    serve(bench, child)
    heard: list[dict[str, Any]] = []
    while not heard or heard[-1].get("kind") != "job.succeeded":
        message = ear.get_message(timeout=30)
        assert message is not None, heard
        heard += map(msgspec.json.decode, message["data"].splitlines())
    ear.close()
    assert [(m["type"], m.get("kind")) for m in heard] == [
        ("fact", "job.started"),
        ("fact", "stage.started"),
        ("tick", None),
        ("fact", "stage.succeeded"),
        ("fact", "job.succeeded"),
    ]
    assert heard[2]["fraction"] == 1.0
    # An idle process strikes off what its last stage left.
    child.look(60)
    assert {fact["kind"] for fact in bench.queue.unsent(-60)} == {"stage.admitted"}


def test_a_merge_is_given_its_parts_in_order(bench: Bench, child: Child) -> None:
    job = bench.submit(
        {"name": "a", "params": {"fan_out": 2}},
        {"name": "m", "agent": "test-merges", "after": ["a"]},
    )
    bench.slots(4)
    for _ in range(4):
        serve(bench, child)
        if bench.job(job)["state"] == "succeeded":
            break
    merged = result(bench, job, "m")
    assert [part["ok"] for part in merged["parts"]] == [True, True]
    assert merged["upstream"]["noop"]["ok"]


@pytest.mark.parametrize(
    ("agent", "kind"), [("huge", "ResultTooLarge"), ("refuses", "InvalidInput")]
)
def test_what_cannot_end_otherwise_is_not_tried_again(
    bench: Bench, child: Child, agent: str, kind: str
) -> None:
    job = bench.submit({"name": "a", "agent": f"test-{agent}"})
    bench.slots(1)
    serve(bench, child)
    assert failure(bench, job)["type"] == kind


@pytest.mark.parametrize(
    ("agent", "kind", "says"),
    [
        ("holds_a_nul", "Unstorable", "models.0.name"),
        ("quotes_a_nul", "InvalidInput", r"a\0b"),
        ("saves_a_nul", "Unstorable", "PostgreSQL refuses it"),
    ],
)
def test_what_cannot_be_stored_fails_its_stage(
    bench: Bench, child: Child, agent: str, kind: str, says: str
) -> None:
    job = bench.submit({"name": "a", "agent": f"test-{agent}"})
    bench.slots(1)
    serve(bench, child)
    error = failure(bench, job)
    assert error["type"] == kind
    assert says in error["message"]


def test_what_only_postgresql_refuses_harms_no_other_of_its_group(
    bench: Bench, child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "nuls", lambda value: iter(()))
    agents = ["noop", "noop", "test-holds_a_nul", "noop"]
    jobs = [bench.submit({"name": "a", "agent": agent, "short": True}) for agent in agents]
    bad = jobs.pop(2)
    bench.slots(1)
    serve(bench, child)
    assert [bench.job(job)["state"] for job in jobs] == ["succeeded"] * 3
    assert failure(bench, bad)["type"] == "Unstorable"


def test_a_process_that_cannot_go_on_ends_and_holds_no_stage(
    bench: Bench, child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    child.end = ended.append
    bench.submit({"name": "a"})
    bench.slots(1)
    bench.admit()
    broken = RuntimeError("not foreseen")
    with monkeypatch.context() as patched:
        patched.setattr(Queue, "finish", failing(Queue.finish, broken))
        with pytest.raises(RuntimeError, match="not foreseen"):
            child.serve()
    assert len(ended) == 1


def failing(finish: Callable[..., Any], error: Exception) -> Callable[..., Any]:
    """Claims; completes nothing."""

    def fails(queue: Queue, done: Sequence[Done], *args: Any, **options: Any) -> Any:
        if done:
            raise error
        return finish(queue, done, *args, **options)

    return fails


def failure(bench: Bench, job: UUID) -> dict[str, Any]:
    """The error of a job's only stage, which has ended at its first attempt."""
    assert bench.job(job)["state"] == "failed"
    row = bench.queue.connection.execute(
        "SELECT error, attempt FROM stages WHERE job_id = %s", [job]
    ).fetchone()
    assert row is not None
    assert row["attempt"] == 1
    return row["error"]


def test_missing_data_is_an_answer(bench: Bench, child: Child) -> None:
    job = bench.submit({"name": "a", "agent": "test-unsupported"})
    bench.slots(1)
    serve(bench, child)
    assert bench.job(job)["state"] == "succeeded"
    assert result(bench, job)["needs"] == ["prefix_hashes"]


def test_a_store_that_is_away_costs_no_attempt(bench: Bench, child: Child) -> None:
    job = bench.submit({"name": "a", "agent": "test-away"})
    bench.slots(1)
    serve(bench, child)
    row = bench.queue.connection.execute(
        "SELECT state, failures, lost FROM stages WHERE job_id = %s", [job]
    ).fetchone()
    assert row == {"state": "ready", "failures": 0, "lost": 0}


def test_a_result_outlives_a_broken_connection(bench: Bench, child: Child) -> None:
    job = bench.submit({"name": "a", "agent": "test-cuts_the_line"})
    bench.slots(1)
    serve(bench, child)
    assert bench.job(job)["state"] == "succeeded"
    assert result(bench, job) == {"survived": True}


def test_a_stop_request_ends_a_running_stage(bench: Bench, child: Child) -> None:
    job = bench.submit({"name": "a", "params": {"sleep_s": 30}})
    bench.slots(1)
    bench.admit()
    import threading

    stopper = threading.Timer(0.3, lambda: _stop_on_its_own_line(bench, job))
    stopper.start()
    child.serve()
    stopper.join()
    assert bench.job(job)["state"] == "cancelled"


def _stop_on_its_own_line(bench: Bench, job: UUID) -> None:
    from netra.store import postgres

    with postgres.connect(bench.settings.database, "test") as connection:
        connection.execute("SELECT netra_stop(%s, 'cancelled')", [job])


def test_an_idle_child_finds_what_no_wake_up_came_for(bench: Bench, child: Child) -> None:
    job = bench.submit({"name": "a"})
    bench.slots(1)
    bench.admit()
    child.look(late_s=60)
    assert bench.job(job)["state"] == "queued", "its wake-up may still come"
    bench.queue.connection.execute("UPDATE stages SET admitted_at = admitted_at - interval '61 s'")
    child.look(late_s=60)
    assert bench.job(job)["state"] == "succeeded"


def test_a_lookout_needs_no_broker(bench: Bench, child: Child) -> None:
    bench.slots(1)
    lookout = Lookout(child, every_s=0.05)
    lookout.start()
    try:
        job = bench.submit({"name": "a"})
        bench.admit()
        until(lambda: bench.job(job)["state"] == "succeeded")
    finally:
        lookout.close()


def test_a_server_of_redis_that_hangs_holds_no_stage_up(bench: Bench, valkey: Valkey) -> None:
    settings = msgspec.structs.replace(bench.settings, redis=valkey.settings)
    child = Child(settings, bench.worker, "cpu", "numpy")
    bench.slots(1)
    try:
        bench.submit({"name": "a"})
        serve(bench, child)
        valkey.hang()
        began = time.monotonic()
        jobs = [bench.submit({"name": "a", "params": {"ticks": 3}}) for _ in range(4)]
        for _ in jobs:
            bench.admit(ahead=4)
            child.serve()
        # A client would wait two seconds for each answer.
        assert time.monotonic() - began < 2
        assert [bench.job(job)["state"] for job in jobs] == ["succeeded"] * 4
        # What it was not told waits in the outbox.
        child.look(60)
        kinds = {
            fact["kind"] for fact in bench.queue.unsent(-60) if fact["job_id"] == str(jobs[-1])
        }
        assert "job.succeeded" in kinds
    finally:
        valkey.go_on()
        child.close()


def test_what_is_said_of_a_quick_stage_is_said_in_order(bench: Bench, child: Child) -> None:
    """Though it is said while the database works on the next one."""
    bench.slots(1)
    jobs = [bench.submit({"name": "a"}, {"name": "b", "after": ["a"]}) for _ in range(5)]
    ear = redis.connect(bench.settings.redis).pubsub()
    ear.subscribe(*(job_channel("default", str(job)) for job in jobs))
    while any(bench.job(job)["state"] != "succeeded" for job in jobs):
        bench.admit(ahead=20)
        child.serve()
    heard: dict[str, list[int]] = {str(job): [] for job in jobs}
    while any(len(told) < 6 for told in heard.values()):
        message = ear.get_message(timeout=10)
        assert message is not None, heard
        if message["type"] == "message":
            for fact in map(msgspec.json.decode, message["data"].splitlines()):
                heard[fact["job_id"]].append(fact["seq"])
    ear.close()
    # All but what submitting and admitting told: each of them once, in its order.
    assert all(told == sorted(set(told)) for told in heard.values())
    child.look(60)
    assert {fact["kind"] for fact in bench.queue.unsent(-60)} == {"stage.admitted"}


def test_an_agent_that_turns_out_slow_leaves_its_facts_to_the_scheduler(
    bench: Bench, child: Child
) -> None:
    bench.slots(1)
    bench.submit({"name": "a"})
    serve(bench, child)
    slow = bench.submit({"name": "a", "params": {"sleep_s": 1.5}})
    thread = threading.Thread(target=serve, args=(bench, child))
    thread.start()
    mine = Queue(postgres.connect(bench.settings.database, "test"))
    try:
        until(lambda: bench_state(mine, slow) == "running")
        started = [f for f in mine.unsent(-60) if f["job_id"] == str(slow)]
        assert "stage.started" in {fact["kind"] for fact in started}
    finally:
        thread.join()
        mine.connection.close()
    assert bench.job(slow)["state"] == "succeeded"
    child.look(60)
    assert {fact["kind"] for fact in bench.queue.unsent(-60)} == {"stage.admitted"}


def bench_state(queue: Queue, job: UUID) -> str:
    row = queue.connection.execute("SELECT state FROM jobs WHERE id = %s", [job]).fetchone()
    assert row is not None
    return row["state"]


def test_what_cannot_be_said_loses_no_stage(
    bench: Bench, child: Child, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench.slots(1)
    child.look(60)
    jobs = [bench.submit({"name": "a"}) for _ in range(3)]

    def broken(facts: Sequence[Any]) -> bool:
        raise MemoryError

    monkeypatch.setattr(child.outbox, "send", broken)
    bench.admit(ahead=4)
    child.serve()
    assert [bench.job(job)["state"] for job in jobs] == ["succeeded"] * 3
    assert "not said" in caplog.text
    assert len(bench.queue.unsent(-60)) >= 3 * 4
