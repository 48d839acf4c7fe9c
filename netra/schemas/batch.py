"""Batches: a named group of jobs submitted together."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from netra.schemas.job import JobRequest


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/batches`. A name that exists already gets the jobs added."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    jobs: Annotated[tuple[JobRequest, ...], Meta(min_length=1)]


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    created_at: datetime
    #: Jobs in it.
    total: int
    #: Jobs by state; states without a job are left out.
    states: dict[str, int]
    #: Jobs that ended.
    finished: int
    #: `finished / total`; None for a batch without jobs.
    progress: float | None


class BatchResult(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a batch's export: how a job ended, and what it answered."""

    id: str
    state: str
    labels: dict[str, str]
    epoch: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    stop_reason: str | None
    #: What the job's last stage answered; None unless the job succeeded.
    result: dict[str, Any] | None
    #: The stage that failed first, and what went wrong in it, but for the traceback: a dead letter
    #: has that. None unless the job failed.
    error: dict[str, Any] | None = None


class BatchJob(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    #: False: the idempotency key was used before, and this is the job of that time.
    created: bool


class BatchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    batch: Batch
    #: In the order of the request.
    jobs: tuple[BatchJob, ...]
