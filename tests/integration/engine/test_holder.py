"""The worker's parent: what it vouches for, and what it ends."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from netra import metrics
from netra.engine.holder import Holder
from tests.integration.bench import Bench


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield child
    child.kill()
    child.wait()


@pytest.fixture
def holder(bench: Bench) -> Iterator[Callable[..., Holder]]:
    made: list[Holder] = []

    def make(*pids: int) -> Holder:
        made.append(_holder(bench, *pids))
        return made[-1]

    yield make
    for one in made:
        one.close()


def _holder(bench: Bench, *pids: int) -> Holder:
    return Holder(
        bench.settings,
        bench.worker,
        pool="cpu",
        host="test",
        concurrency=1,
        device="numpy",
        pids=lambda: pids,
    )


def test_a_beat_renews_the_lease(
    bench: Bench, holder: Callable[..., Holder], process: subprocess.Popen[bytes]
) -> None:
    bench.submit({"name": "a"})
    bench.slots(1)
    bench.expire(bench.started(pid=process.pid))
    holder(process.pid).beat()
    assert bench.reap() == 0
    assert process.poll() is None


def test_a_stage_past_its_limit_is_ended(
    bench: Bench, holder: Callable[..., Holder], process: subprocess.Popen[bytes]
) -> None:
    job = bench.submit({"name": "a", "limit_s": -1.0})
    bench.slots(1)
    bench.started(pid=process.pid)
    holder(process.pid).beat()
    assert process.wait(5) != 0
    assert bench.job(job)["state"] == "failed"


def test_a_stage_that_does_not_stop_is_ended(
    bench: Bench, holder: Callable[..., Holder], process: subprocess.Popen[bytes]
) -> None:
    job = bench.submit({"name": "a"})
    bench.slots(1)
    bench.started(pid=process.pid)
    bench.stop(job)
    keeper = holder(process.pid)
    keeper.beat()
    assert process.poll() is None
    bench.queue.connection.execute(
        "UPDATE jobs SET stop_requested_at = now() - interval '1 min' WHERE id = %s", [job]
    )
    keeper.beat()
    assert process.wait(5) != 0
    assert bench.job(job)["state"] == "cancelled"


def test_a_stage_that_holds_too_much_is_ended(
    bench: Bench, holder: Callable[..., Holder], process: subprocess.Popen[bytes]
) -> None:
    job = bench.submit({"name": "a"})
    bench.slots(1)
    bench.started(pid=process.pid)
    keeper = holder(process.pid)
    keeper.memory_limit = 1 << 40
    keeper.beat()
    assert process.poll() is None
    keeper.memory_limit = 1 << 20
    keeper.beat()
    assert process.wait(5) != 0
    assert bench.job(job)["state"] == "failed"
    (letter,) = bench.queue.connection.execute("SELECT error FROM dead_letters").fetchall()
    assert letter["error"]["type"] == "MemoryLimit"
    assert "the limit is 1 MB" in letter["error"]["message"]


def test_a_process_that_the_leaving_worker_ends_is_not_blamed_on_its_stage(
    bench: Bench, process: subprocess.Popen[bytes]
) -> None:
    job = bench.submit({"name": "a"})
    bench.slots(1)
    bench.started(pid=process.pid)
    pids = [process.pid]
    keeper = _holder(bench)
    keeper.pids = lambda: pids
    keeper.beat()
    execute = bench.queue.connection.execute
    execute("UPDATE stages SET started_at = started_at - interval '3 s'")
    keeper.leave()
    pids.clear()
    keeper.beat()
    assert bench.reap() == 0
    keeper.close()
    assert bench.stages(job) == {"a": "ready"}
    assert execute("SELECT killed, lost FROM stages").fetchall() == [{"killed": 0, "lost": 0}]


def test_leaving_hands_everything_back(
    bench: Bench, holder: Callable[..., Holder], process: subprocess.Popen[bytes]
) -> None:
    job = bench.submit({"name": "a"})
    bench.slots(1)
    bench.started(pid=process.pid)
    keeper = holder(process.pid)
    keeper.start()
    keeper.close()
    assert bench.stages(job) == {"a": "ready"}
    assert bench.queue.connection.execute("SELECT * FROM workers").fetchall() == []


def test_a_beat_says_how_busy_the_worker_is(
    bench: Bench, holder: Callable[..., Holder], process: subprocess.Popen[bytes]
) -> None:
    def metric(name: str, **more: str) -> float:
        return metrics.REGISTRY.get_sample_value(name, {"pool": "cpu", **more}) or 0.0

    one = holder(process.pid)
    one.beat()
    assert (metric("netra_worker_busy"), metric("netra_worker_slots")) == (0, 1)
    bench.submit({"name": "a", "limit_s": 0.0})
    bench.slots(1)
    bench.started(pid=process.pid)
    before = metric("netra_worker_kills_total", reason="time limit")
    one.beat()
    assert metric("netra_worker_busy") == 1
    assert metric("netra_worker_kills_total", reason="time limit") == before + 1
    assert time.time() - metric("netra_worker_last_heartbeat_timestamp_seconds") < 60
