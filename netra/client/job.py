"""Jobs: submitted, shown, followed, cancelled, retried; and what they left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Literal

import httpx

from netra.client import listen, listen_async
from netra.client.call import Awaiting, Blocking, call, paged
from netra.client.follow import Event, Following, JobReads, Position
from netra.client.request import PREFIX, Request, as_json, as_text, get
from netra.client.retry import Retry
from netra.ids import new_id
from netra.schemas.job import Job, JobAnswer, JobRequest, PriorityRequest
from netra.schemas.page import Page
from netra.schemas.progress import Fact
from netra.schemas.report import Recommendation, Report


class JobCalls:
    @call
    def submit(self, job: JobRequest) -> Request[Job]:
        """Submits a job. Safe to send again: one without an idempotency key is given one."""
        # A key of the job's own stays in the body: a header could not hold all that a key may.
        headers = {} if job.idempotency_key else {"Idempotency-Key": str(new_id())}
        return Request(
            method="POST",
            path=f"{PREFIX}/jobs",
            read=_answered,
            json=job,
            headers=headers,
            repeatable=True,
        )

    @paged
    def list(
        self,
        *,
        state: str | Sequence[str] | None = None,
        workload_id: str | None = None,
        batch_id: str | None = None,
        pipeline: str | None = None,
        labels: Mapping[str, str] | None = None,
        page_size: int | None = None,
    ) -> Request[Page[Job]]:
        """Jobs that meet all that is given, newest first; their stages are left out. Of several
        states a job is in any."""
        return get(
            "/jobs",
            as_json(Page[Job]),
            state=state if state is None or isinstance(state, str) else tuple(state),
            workload_id=workload_id,
            batch_id=batch_id,
            pipeline=pipeline,
            limit=page_size,
            **{f"label.{name}": value for name, value in (labels or {}).items()},
        )

    @call
    def get(self, job_id: str) -> Request[Job]:
        """The job, with its stages."""
        return _get(job_id)

    @call
    def cancel(self, job_id: str) -> Request[Job]:
        """Asks the job to stop; it has stopped once its state says so."""
        return Request(method="POST", path=f"{PREFIX}/jobs/{job_id}/cancel", read=_job)

    @call
    def retry(self, job_id: str) -> Request[Job]:
        """Runs what failed or was cancelled again, in a new epoch."""
        return Request(method="POST", path=f"{PREFIX}/jobs/{job_id}/retry", read=_job)

    @call
    def prioritize(self, job_id: str, priority: int) -> Request[Job]:
        """Changes how urgent the job is: 0 to 9, 9 goes first within the tenant."""
        return Request(
            method="POST",
            path=f"{PREFIX}/jobs/{job_id}/priority",
            read=_job,
            json=PriorityRequest(priority=priority),
            repeatable=True,
        )

    @call
    def facts(self, job_id: str, after: Position | None = None) -> Request[Page[Fact]]:
        """The job's facts after a position, in order."""
        return _facts(job_id, after or Position())

    @call
    def result(self, job_id: str, stage: str) -> Request[dict[str, Any]]:
        """What a finished stage found."""
        return get(f"/jobs/{job_id}/results/{stage}", as_json(dict[str, Any]))

    @call
    def report(self, job_id: str) -> Request[Report]:
        """The report of a finished job."""
        return get(f"/jobs/{job_id}/report", as_json(Report), format="json")

    @call
    def report_text(self, job_id: str, format: Literal["html", "markdown", "json"]) -> Request[str]:
        """The report as a document."""
        return get(f"/jobs/{job_id}/report", as_text, format=format)

    @call
    def recommendations(self, job_id: str) -> Request[Page[Recommendation]]:
        """The plan's recommendations."""
        return get(f"/jobs/{job_id}/recommendations", as_json(Page[Recommendation]))


class Jobs(JobCalls, Blocking):
    """The tenant's jobs."""

    def follow(
        self, job_id: str, *, after: Position | None = None, within_s: float | None = None
    ) -> Iterator[Event]:
        """Each fact after a position once and in order, and ticks, until the job has ended.

        Lost connections are made again, from where they were lost.

        Raises:
            NotFinished: `within_s` has passed.
        """
        following = _following(job_id, self._transport.retry, after, within_s)
        return listen.follow(self._transport, following)

    def wait(self, job_id: str, *, within_s: float | None = None) -> Job:
        """The job once it has ended, however it has. Raises as `follow`."""
        for _ in self.follow(job_id, within_s=within_s):
            pass
        return self.get(job_id)


class AsyncJobs(JobCalls, Awaiting):
    """The tenant's jobs."""

    def follow(
        self, job_id: str, *, after: Position | None = None, within_s: float | None = None
    ) -> AsyncIterator[Event]:
        """As `Jobs.follow`, to be iterated with `async for`."""
        following = _following(job_id, self._transport.retry, after, within_s)
        return listen_async.follow(self._transport, following)

    async def wait(self, job_id: str, *, within_s: float | None = None) -> Job:
        """As `Jobs.wait`."""
        async for _ in self.follow(job_id, within_s=within_s):
            pass
        return await self.get(job_id)


_job = as_json(Job)


def _answered(response: httpx.Response) -> Job:
    return as_json(JobAnswer)(response).job


def _get(job_id: str) -> Request[Job]:
    return get(f"/jobs/{job_id}", _job)


def _facts(job_id: str, after: Position) -> Request[Page[Fact]]:
    return get(
        f"/jobs/{job_id}/facts",
        as_json(Page[Fact]),
        epoch=after.epoch or None,
        after_seq=after.seq,
    )


def _following(
    job_id: str, retry: Retry, after: Position | None, within_s: float | None
) -> Following:
    reads = JobReads(job=_get(job_id), facts=lambda position: _facts(job_id, position))
    return Following(job_id, reads, retry, after=after, within_s=within_s)
