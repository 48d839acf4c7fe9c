"""Each test runs on both clients: what is written once must work for both."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from netra.client import AsyncNetra, JobRequest, Netra, Unreachable
from netra.errors import NotFound, Unauthorized
from tests.unit.client.memory_api import MemoryApi, job_json

#: Runs a call on a client, whichever it is, and gives its answer; lists are walked to their end.
Run = Callable[[Callable[[Any], Any]], Any]


@pytest.fixture
def api() -> MemoryApi:
    return MemoryApi()


@pytest.fixture(params=["blocking", "awaiting"])
def run(api: MemoryApi, request: pytest.FixtureRequest) -> Run:
    def blocking(call: Callable[[Netra], Any]) -> Any:
        with api.blocking() as netra:
            answer = call(netra)
            return list(answer) if isinstance(answer, Iterator) else answer

    async def awaiting(call: Callable[[AsyncNetra], Any]) -> Any:
        async with api.awaiting() as netra:
            answer = call(netra)
            if isinstance(answer, AsyncIterator):
                return [item async for item in answer]
            return await answer if inspect.isawaitable(answer) else answer

    if request.param == "blocking":
        return blocking
    return lambda call: asyncio.run(awaiting(call))


def test_a_submission_carries_its_key_and_answers_with_the_job(api: MemoryApi, run: Run) -> None:
    request = JobRequest(goal="Cut cost by 20 %", pipeline="optimize", idempotency_key="mine")
    job = run(lambda netra: netra.jobs.submit(request))
    assert job.id == "job-1"
    sent = api.requests[0]
    assert sent.url.path == "/api/v1/jobs"
    assert "Idempotency-Key" not in sent.headers
    assert json.loads(sent.content)["idempotency_key"] == "mine"
    assert json.loads(sent.content)["goal"] == "Cut cost by 20 %"


def test_a_key_may_be_what_no_header_can_hold(api: MemoryApi, run: Run) -> None:
    run(lambda netra: netra.jobs.submit(JobRequest(idempotency_key="n\u00e4chtlich \u2460 ")))
    assert list(api.keys) == ["n\u00e4chtlich \u2460 "]


def test_a_submission_whose_answer_is_lost_makes_one_job(api: MemoryApi, run: Run) -> None:
    api.lose_answers = [httpx.ReadError("reset"), httpx.RemoteProtocolError("gone")]
    job = run(lambda netra: netra.jobs.submit(JobRequest()))
    assert job.id == "job-1"
    assert len(api.jobs) == 1
    assert len({r.headers["Idempotency-Key"] for r in api.requests}) == 1
    assert len(api.requests) == 3


def test_an_upload_whose_answer_is_lost_is_not_repeated(
    api: MemoryApi, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "w.csv"
    path.write_text("a\n")
    api.lose_answers = [httpx.ReadError("reset")]
    with pytest.raises(Unreachable, match="reset"):
        run(lambda netra: netra.workloads.create(path))
    assert len(api.requests) == 1


def test_lists_go_over_all_pages(api: MemoryApi, run: Run) -> None:
    api.jobs = {f"j{i}": job_json(f"j{i}") for i in range(7)}
    jobs = run(lambda netra: netra.jobs.list(page_size=3))
    assert [job.id for job in jobs] == [f"j{i}" for i in range(7)]
    assert [dict(r.url.params) for r in api.requests] == [
        {"limit": "3"},
        {"limit": "3", "cursor": "3"},
        {"limit": "3", "cursor": "6"},
    ]


def test_filters_become_parameters(api: MemoryApi, run: Run) -> None:
    assert run(lambda n: n.jobs.list(state="failed", labels={"team": "search"})) == []
    assert dict(api.requests[0].url.params) == {"state": "failed", "label.team": "search"}


def test_an_upload_is_streamed_and_says_how_far_it_is(
    api: MemoryApi, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "traffic.csv.gz"
    path.write_bytes(b"x" * 99 + b"\n" * 600_001)
    seen: list[tuple[int, int]] = []
    start = datetime(2026, 5, 1, tzinfo=UTC)
    answer = run(
        lambda netra: netra.workloads.create(
            path, start=start, progress=lambda *at: seen.append(at)
        )
    )
    assert answer.workload.name == "traffic"
    assert answer.ingest.rows == 600_001
    assert seen[-1] == (600_100, 600_100)
    assert len(seen) > 2
    sent = api.requests[0]
    assert sent.headers["Content-Length"] == "600100"
    assert dict(sent.url.params) == {
        "name": "traffic",
        "filename": "traffic.csv.gz",
        "start": "2026-05-01T00:00:00+00:00",
    }


def test_an_empty_workload_needs_only_a_name(api: MemoryApi, run: Run) -> None:
    run(lambda netra: netra.workloads.create(name="later"))
    assert api.requests[0].content == b""
    assert run(lambda netra: netra.workloads.get("later")).id == "id-later"
    assert run(lambda netra: netra.workloads.delete("id-later")) is None
    with pytest.raises(NotFound, match="later"):
        run(lambda netra: netra.workloads.get("later"))


def test_many_jobs_go_in_pieces(api: MemoryApi, run: Run) -> None:
    jobs = [JobRequest(labels={"n": str(i)}) for i in range(7)]
    answer = run(lambda netra: netra.batches.submit_all("sweep", iter(jobs), chunk=3))
    assert [len(json.loads(r.content)["jobs"]) for r in api.requests] == [3, 3, 1]
    assert answer.batch.total == 7
    assert [job.created for job in answer.jobs] == [True] * 7


def test_a_wrong_key_is_said(api: MemoryApi) -> None:
    over = httpx.MockTransport(api.handle)
    with Netra("http://api.test", "wrong", over=over) as netra, pytest.raises(Unauthorized):
        netra.access.whoami()


def test_methods_say_what_they_do(api: MemoryApi) -> None:
    with api.blocking() as netra:
        assert "with its stages" in (netra.jobs.get.__doc__ or "")
        assert "page_size" in inspect.signature(netra.jobs.list).parameters
