"""Batches: named groups of jobs, submitted in pieces that any number of jobs fits into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from netra.client.call import Awaiting, Blocking, Script, call, paged, script
from netra.client.request import PREFIX, Request, as_json, get
from netra.errors import InvalidInput
from netra.ids import new_id
from netra.schemas.batch import Batch, BatchAnswer, BatchJob, BatchRequest, BatchResult
from netra.schemas.job import Job, JobRequest
from netra.schemas.page import Page

#: Jobs sent in one call, which is one transaction.
CHUNK = 500


class BatchCalls:
    @call
    def submit(self, name: str, jobs: Sequence[JobRequest]) -> Request[BatchAnswer]:
        """Adds jobs to the batch of this name, all or none, making it if it is new.

        Safe to send again: a job without an idempotency key is given one.
        """
        return _submit(name, jobs)

    @script
    def submit_all(
        self, name: str, jobs: Iterable[JobRequest], *, chunk: int = CHUNK
    ) -> Script[BatchAnswer]:
        """As `submit`, for more jobs than fit into one call; `chunk` of them are all or none.

        Raises:
            InvalidInput: there is no job.
        """
        answered: list[BatchJob] = []
        batch: Batch | None = None
        for piece in _pieces(jobs, chunk):
            answer: BatchAnswer = yield _submit(name, piece)
            answered += answer.jobs
            batch = answer.batch
        if batch is None:
            raise InvalidInput(f"batch {name!r} would have no job")
        return BatchAnswer(batch=batch, jobs=tuple(answered))

    @paged
    def list(self, *, page_size: int | None = None) -> Request[Page[Batch]]:
        """All batches, newest first."""
        return get("/batches", as_json(Page[Batch]), limit=page_size)

    @call
    def get(self, batch_id: str) -> Request[Batch]:
        """How far the batch is."""
        return get(f"/batches/{batch_id}", as_json(Batch))

    @paged
    def jobs(self, batch_id: str, *, page_size: int | None = None) -> Request[Page[Job]]:
        """The batch's jobs."""
        return get(f"/batches/{batch_id}/jobs", as_json(Page[Job]), limit=page_size)

    @paged
    def results(self, batch_id: str, *, page_size: int | None = None) -> Request[Page[BatchResult]]:
        """How the batch's jobs ended, and what they answered, newest first."""
        return get(f"/batches/{batch_id}/results", as_json(Page[BatchResult]), limit=page_size)

    @call
    def cancel(self, batch_id: str) -> Request[Batch]:
        """Asks all jobs of the batch that have not ended to stop; large ones take a while."""
        return Request(
            method="POST",
            path=f"{PREFIX}/batches/{batch_id}/cancel",
            read=as_json(Batch),
            repeatable=True,
        )


class Batches(BatchCalls, Blocking):
    """The tenant's batches."""


class AsyncBatches(BatchCalls, Awaiting):
    """The tenant's batches."""


def _submit(name: str, jobs: Sequence[JobRequest]) -> Request[BatchAnswer]:
    keyed = [
        job if job.idempotency_key else msgspec.structs.replace(job, idempotency_key=str(new_id()))
        for job in jobs
    ]
    return Request(
        method="POST",
        path=f"{PREFIX}/batches",
        read=as_json(BatchAnswer),
        json=BatchRequest(name=name, jobs=tuple(keyed)),
        repeatable=True,
    )


def _pieces(jobs: Iterable[JobRequest], size: int) -> Iterator[list[JobRequest]]:
    left = iter(jobs)
    while piece := list(islice(left, size)):
        yield piece
