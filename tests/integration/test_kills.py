"""`kill -9` of any one process during a job: it still succeeds, and no follower notices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import psutil
import pytest
import redis as redis_client

from netra.client.api import Netra
from netra.embedded.info import StackInfo
from netra.ingest import generate
from netra.schemas.job import JobRequest
from tests.integration.raw_follower import RawFollower

Kill = Callable[[StackInfo], None]


@pytest.fixture(scope="module")
def netra(stack: StackInfo) -> Iterator[Netra]:
    with Netra(stack.api_url, stack.api_key) as netra:
        yield netra


@pytest.fixture(scope="module")
def workload(netra: Netra, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A generated workload: 2,000 events of 3 days."""
    path = tmp_path_factory.mktemp("kills") / "generated.parquet"
    generate.write(path, 2000, seed=1, days=3)
    return netra.workloads.create(path, name="kills").workload.id


def victim(name: str) -> Kill:
    def kill(stack: StackInfo) -> None:
        stack.kill(name)

    return kill


def child_of(name: str) -> Kill:
    """Kills the processes that run the worker's stages, and not the worker itself."""

    def kill(stack: StackInfo) -> None:
        for child in psutil.Process(stack.pids[name]).children():
            if "semaphore_tracker" not in " ".join(child.cmdline()):
                child.kill()

    return kill


def flush(stack: StackInfo) -> None:
    client = redis_client.Redis.from_url(stack.redis_url)
    client.flushall()
    client.close()


VICTIMS = {
    "api": victim("api"),
    "scheduler": victim("scheduler"),
    "cpu worker": victim("worker-cpu"),
    "cpu worker's children": child_of("worker-cpu"),
    "gpu worker": victim("worker-gpu"),
    "gpu worker's children": child_of("worker-gpu"),
    "valkey": victim("valkey"),
    "postgres": victim("postgres"),
    "clickhouse": victim("clickhouse"),
    "flower": victim("flower"),
    "flush of valkey": flush,
}


@pytest.mark.stack
@pytest.mark.parametrize("name", VICTIMS)
def test_a_job_survives(name: str, stack: StackInfo, netra: Netra, workload: str) -> None:
    job = netra.jobs.submit(
        JobRequest(
            workload_id=workload,
            goal="Audit our prompt caching.",
            stages=(
                {"name": "a", "agent": "noop", "params": {"sleep_s": 1.5, "ticks": 10}},
                {"name": "g", "agent": "noop-gpu", "params": {"sleep_s": 1.5}},
                {"name": "read", "agent": "triage"},
                {"name": "read-again", "agent": "triage", "after": ["read", "a"]},
                {"name": "end", "agent": "noop", "after": ["g", "read-again"]},
            ),
        )
    )
    follower = RawFollower(stack, job.id)
    time.sleep(0.8)
    VICTIMS[name](stack)
    facts = follower.wait(180)
    assert facts[-1]["kind"] == "job.succeeded"
    assert follower.seqs == list(range(1, len(facts) + 1))
    assert _recorded(netra, job.id) == [(f["seq"], f["kind"], f["stage"]) for f in facts]


def _recorded(netra: Netra, job_id: str) -> list[tuple[int, str, str | None]]:
    """The facts as PostgreSQL has them."""
    return [(f.seq, f.kind, f.stage) for f in netra.jobs.facts(job_id).items]


@pytest.mark.stack
def test_a_follower_that_comes_back_gets_exactly_the_rest(stack: StackInfo, netra: Netra) -> None:
    job = netra.jobs.submit(
        JobRequest(
            stages=(
                {"name": "a", "agent": "noop", "params": {"sleep_s": 0.3}},
                {"name": "b", "agent": "noop", "after": ["a"]},
            )
        )
    )
    everything = RawFollower(stack, job.id).wait(120)
    for seen in range(len(everything)):
        rest = RawFollower(stack, job.id, after_seq=seen)
        assert rest.wait(60) == everything[seen:]
