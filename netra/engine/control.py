"""Cancelling, retrying and reordering: what a person does to a job under way or over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from netra.errors import Conflict, NotFound
from netra.schemas.job import RETRIED
from netra.store import job as job_store
from netra.store import queue
from netra.store.postgres import AsyncConnection

if TYPE_CHECKING:
    from netra.store.queue import FactMessage


async def cancel(connection: AsyncConnection, tenant_id: str, job_id: UUID) -> list[FactMessage]:
    """Asks the job to stop; asking again changes nothing. The facts are the caller's to publish.

    Raises:
        NotFound: the tenant has no such job.
        Conflict: the job has ended.
    """
    state = await _state(connection, tenant_id, job_id)
    answer = await queue.stop(connection, job_id, "cancelled")
    if answer is None:
        raise Conflict(f"job {job_id} has ended ({state}); there is nothing to cancel")
    return answer["facts"]


async def retry(
    connection: AsyncConnection, tenant_id: str, job_id: UUID, *, seen: str | None = None
) -> list[FactMessage]:
    """Runs the job again from where it failed, in a new epoch; what succeeded is kept.

    Args:
        seen: the job's state as whoever asks for this has seen it; None: as it is now.

    Raises:
        NotFound: the tenant has no such job.
        Conflict: the job neither failed nor was cancelled, or its workload was deleted.
    """
    state = await _state(connection, tenant_id, job_id)
    if not await job_store.has_its_events(connection, job_id):
        raise Conflict(f"the workload of job {job_id} was deleted; there is nothing to run it on")
    answer = await queue.retry(connection, job_id)
    if answer is None:
        # Others may have been at it since.
        now = await _state(connection, tenant_id, job_id)
        if (seen or state) in RETRIED and now not in RETRIED:
            raise Conflict(f"somebody else has run job {job_id} again meanwhile; it is {now}")
        raise Conflict(f"job {job_id} is {now}; only failed and cancelled jobs can be retried")
    return answer["facts"]


async def prioritize(
    connection: AsyncConnection, tenant_id: str, job_id: UUID, priority: int
) -> None:
    """Changes how urgent the job is; what is ready takes its new place at once.

    Raises:
        NotFound: the tenant has no such job.
        Conflict: the job has ended.
    """
    state = await _state(connection, tenant_id, job_id)
    if not await queue.prioritize(connection, job_id, priority):
        raise Conflict(f"job {job_id} has ended ({state}); its priority says nothing any more")


@dataclass(frozen=True, kw_only=True)
class Replayed:
    jobs: list[UUID]
    refused: dict[UUID, str]
    facts: list[FactMessage]


async def replay(connection: AsyncConnection, tenant_id: str, jobs: Sequence[UUID]) -> Replayed:
    """Retries the jobs of dead letters, those that can be, in one transaction."""
    answer = Replayed(jobs=[], refused={}, facts=[])
    async with connection.transaction():
        # In one order everywhere, so that two who do this at once wait for each other in turn.
        for job_id in sorted(jobs):
            try:
                # One with a dead letter has failed.
                answer.facts.extend(await retry(connection, tenant_id, job_id, seen="failed"))
            except Conflict as e:
                answer.refused[job_id] = e.detail
            else:
                answer.jobs.append(job_id)
    return answer


async def _state(connection: AsyncConnection, tenant_id: str, job_id: UUID) -> str:
    head = await job_store.head(connection, tenant_id, job_id)
    if head is None:
        raise NotFound(f"there is no job {job_id}")
    return head.state
