"""Dead letters: look at what was given up, and run it again."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import Controller, get, post
from litestar.params import FromPath

from netra.api import examples, paging
from netra.api.call import Call
from netra.api.job import run_again
from netra.api.services import Served
from netra.catalog import agents
from netra.engine import control
from netra.errors import Conflict, NotFound
from netra.schemas.dead_letter import DeadLetter, Refused, ReplayAnswer, ReplayRequest
from netra.schemas.job import Job
from netra.schemas.page import Page
from netra.store import batch as batches
from netra.store import dead_letter
from netra.store import job as job_store
from netra.store.dead_letter import LetterFilter
from netra.store.postgres import AsyncConnection, checkout

#: Jobs retried in one transaction.
_AT_ONCE = 100


class DeadLetterController(Controller):
    path = "/dead-letters"
    tags = ("dead letters",)

    @get("/", summary="List dead letters, newest first")
    async def list(
        self,
        request: Call,
        services: Served,
        limit: paging.Limit = 50,
        cursor: paging.Cursor = None,
    ) -> Page[DeadLetter]:
        async with checkout(services.pool) as connection:
            found = await dead_letter.page(
                connection, request.user.tenant_id, before=paging.before(cursor), n=limit + 1
            )
        return paging.page(found, limit, lambda letter: letter.id)

    @post("/replay", status_code=202, summary="Run the jobs of many letters again")
    async def replay_all(
        self,
        data: Annotated[ReplayRequest, examples.REPLAY],
        request: Call,
        services: Served,
    ) -> ReplayAnswer:
        """Those of the filter that were not replayed, oldest first. Call again while `more`.

        Letters of jobs that still run, or whose workload was deleted, wait. Deadlines that have
        passed are dropped.
        """
        tenant_id = request.user.tenant_id
        if data.agent is not None:
            agents.get(data.agent)
        wanted = LetterFilter(
            agent=data.agent,
            error_type=data.error_type,
            job_id=paging.uuid(data.job_id, "job") if data.job_id else None,
            batch_id=paging.uuid(data.batch_id, "batch") if data.batch_id else None,
            since=data.since,
            until=data.until,
        )
        jobs: list[UUID] = []
        refused: list[Refused] = []
        async with checkout(services.pool) as connection:
            await _check_there(connection, tenant_id, wanted)
            found = await dead_letter.waiting(connection, tenant_id, wanted, data.limit)
            for i in range(0, len(found), _AT_ONCE):
                done = await control.replay(connection, tenant_id, found[i : i + _AT_ONCE])
                services.outgoing.send(done.facts)
                jobs += done.jobs
                refused += [Refused(job_id=str(j), detail=d) for j, d in done.refused.items()]
            left = await dead_letter.waiting(connection, tenant_id, wanted, 1)
        # Where nothing moved, calling again would change nothing.
        more = bool(jobs) and bool(left)
        return ReplayAnswer(jobs=tuple(map(str, jobs)), refused=tuple(refused), more=more)

    @post("/{letter_id:str}/replay", status_code=202, summary="Run the letter's job again")
    async def replay(self, letter_id: FromPath[str], request: Call, services: Served) -> Job:
        """From where it failed, in a new epoch, as `retry` of the job: what succeeded is kept, and
        a deadline that has passed is dropped."""
        tenant_id = request.user.tenant_id
        async with checkout(services.pool) as connection:
            letter = await dead_letter.show(
                connection, tenant_id, paging.uuid(letter_id, "dead letter")
            )
            if letter is None:
                raise NotFound(f"there is no dead letter {letter_id}")
            if letter.replayed_at is not None:
                raise Conflict(f"it was replayed at {letter.replayed_at.isoformat()}")
        return await run_again(services, request, UUID(letter.job_id))


async def _check_there(connection: AsyncConnection, tenant_id: str, wanted: LetterFilter) -> None:
    """Raises NotFound for a job or a batch that is not there: its letters would just be none."""
    if wanted.job_id and await job_store.head(connection, tenant_id, wanted.job_id) is None:
        raise NotFound(f"there is no job {wanted.job_id}")
    if wanted.batch_id and not await batches.exists(connection, tenant_id, wanted.batch_id):
        raise NotFound(f"there is no batch {wanted.batch_id}")
