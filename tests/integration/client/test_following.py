"""The client against the real stack: every way of following, on both clients, through a kill."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from netra.client import AsyncNetra, JobRequest, Netra, NotFinished, Position, listen, listen_async
from netra.client.follow import Event, Following, JobReads, Way
from netra.client.request import as_json, get
from netra.embedded.info import StackInfo
from netra.schemas.job import Job
from netra.schemas.page import Page
from netra.schemas.progress import Fact, Tick

pytestmark = pytest.mark.stack

#: What a job of two stages, one after the other, goes through.
KINDS = [
    "job.queued",
    "stage.admitted",
    "job.started",
    "stage.started",
    "stage.succeeded",
    "stage.admitted",
    "stage.started",
    "stage.succeeded",
    "job.succeeded",
]


@pytest.fixture
def netra(stack: StackInfo) -> Iterator[Netra]:
    with Netra(stack.api_url, stack.api_key) as client:
        yield client


def two_stages(seconds: float) -> JobRequest:
    first = {"sleep_s": seconds / 2, "ticks": 5}
    return JobRequest(
        stages=(
            {"name": "a", "agent": "noop", "params": first},
            {"name": "b", "agent": "noop", "after": ["a"], "params": {"sleep_s": seconds / 2}},
        )
    )


def facts(events: list[Event]) -> list[Fact]:
    return [e for e in events if isinstance(e, Fact)]


def check(events: list[Event]) -> None:
    """Each fact once, in order, to the end."""
    found = facts(events)
    assert [f.seq for f in found] == list(range(1, len(KINDS) + 1))
    assert [f.kind for f in found] == KINDS


def following(netra: Netra | AsyncNetra, job: Job, way: Way) -> Following:
    reads = JobReads(
        job=get(f"/jobs/{job.id}", as_json(Job)),
        facts=lambda at: get(
            f"/jobs/{job.id}/facts", as_json(Page[Fact]), epoch=at.epoch or None, after_seq=at.seq
        ),
    )
    return Following(job.id, reads, netra._transport.retry, ways=(way,))


@pytest.mark.parametrize("way", ["socket", "stream", "poll"])
def test_every_way_gives_every_fact_once_and_in_order(netra: Netra, way: Way) -> None:
    job = netra.jobs.submit(two_stages(0.6))
    events = list(listen.follow(netra._transport, following(netra, job, way)))
    check(events)
    assert any(isinstance(e, Tick) for e in events) == (way != "poll")


@pytest.mark.parametrize("way", ["socket", "stream", "poll"])
def test_awaiting_gives_the_same(stack: StackInfo, way: Way) -> None:
    async def run() -> list[Event]:
        async with AsyncNetra(stack.api_url, stack.api_key) as netra:
            job = await netra.jobs.submit(two_stages(0.6))
            found = listen_async.follow(netra._transport, following(netra, job, way))
            return [event async for event in found]

    events = asyncio.run(run())
    check(events)
    assert any(isinstance(e, Tick) for e in events) == (way != "poll")


def test_a_follower_outlives_the_api(stack: StackInfo, netra: Netra) -> None:
    job = netra.jobs.submit(two_stages(3.0))
    killed = threading.Timer(0.7, lambda: stack.kill("api"))
    killed.start()
    events = list(netra.jobs.follow(job.id))
    killed.join()
    check(events)


def test_a_follower_comes_back_with_its_position(netra: Netra) -> None:
    job = netra.jobs.submit(two_stages(0.5))
    began = netra.jobs.follow(job.id)
    seen: list[Event] = []
    for event in began:
        seen.append(event)
        if isinstance(event, Fact) and event.seq == 4:
            break
    began.close()  # type: ignore[attr-defined]
    rest = list(netra.jobs.follow(job.id, after=Position(1, 4)))
    check([*facts(seen), *facts(rest)])
    assert list(netra.jobs.follow(job.id, after=Position.of(facts(rest)[-1]))) == []


def test_a_retried_job_is_followed_to_its_new_end(netra: Netra) -> None:
    stage = {"name": "a", "agent": "noop", "params": {"sleep_s": 30}}
    job = netra.jobs.submit(JobRequest(stages=(stage,)))
    netra.jobs.cancel(job.id)
    cancelled = netra.jobs.wait(job.id, within_s=60)
    assert (cancelled.state, cancelled.epoch) == ("cancelled", 1)
    assert netra.jobs.retry(job.id).epoch == 2
    with pytest.raises(NotFinished):
        netra.jobs.wait(job.id, within_s=0.5)
    netra.jobs.cancel(job.id)
    last = list(netra.jobs.follow(job.id, after=Position(1, cancelled.seq)))
    found = facts(last)
    assert {f.epoch for f in found} == {2}
    assert [f.seq for f in found] == list(range(1, len(found) + 1))
    assert found[-1].kind == "job.cancelled"


def test_lists_facts_and_results(netra: Netra) -> None:
    job = netra.jobs.submit(
        JobRequest(stages=({"name": "a", "agent": "noop"},), labels={"test": "lists"})
    )
    assert netra.jobs.wait(job.id, within_s=60).state == "succeeded"
    assert netra.jobs.result(job.id, "a")["ok"] is True
    assert [f.seq for f in netra.jobs.facts(job.id).items] == [1, 2, 3, 4, 5, 6]
    assert [j.id for j in netra.jobs.list(labels={"test": "lists"})] == [job.id]
