"""Dead letters: look at what was given up, and run it again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, get, post
from litestar.params import FromPath, QueryParameter

from netra.api import examples, paging
from netra.api.call import Call
from netra.api.job import run_again
from netra.api.services import Served, Services
from netra.catalog import agents
from netra.engine import control
from netra.errors import Conflict, InvalidInput, NotFound, Problem
from netra.schemas.dead_letter import DeadLetter, Refused, ReplayAnswer, ReplayRequest
from netra.schemas.job import Job
from netra.schemas.page import Page
from netra.store import batch as batches
from netra.store import dead_letter
from netra.store import job as job_store
from netra.store.dead_letter import LetterFilter
from netra.store.postgres import AsyncConnection, checkout

Agent = Annotated[
    str | None, QueryParameter(name="agent", description="Only letters of this agent.")
]
ErrorType = Annotated[
    str | None,
    QueryParameter(
        name="error_type", description="Only letters with this type of error, e.g. TimeLimit."
    ),
]
JobId = Annotated[
    str | None, QueryParameter(name="job_id", description="Only letters of this job.")
]
BatchId = Annotated[
    str | None, QueryParameter(name="batch_id", description="Only letters of this batch's jobs.")
]
Since = Annotated[
    datetime | None,
    QueryParameter(name="since", description="Given up at this time or later. RFC 3339."),
]
Until = Annotated[
    datetime | None,
    QueryParameter(name="until", description="Given up before this time. RFC 3339."),
]

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
        agent: Agent = None,
        error_type: ErrorType = None,
        job_id: JobId = None,
        batch_id: BatchId = None,
        since: Since = None,
        until: Until = None,
    ) -> Page[DeadLetter]:
        """Replayed or not; the filters are those of a replay."""
        tenant_id = request.user.tenant_id
        before = paging.before(cursor)
        wanted = _filter(agent, error_type, job_id, batch_id, since, until)
        async with checkout(services.pool) as connection:
            await _check_there(connection, tenant_id, wanted)
            found = await dead_letter.page(
                connection, tenant_id, wanted, before=before, n=limit + 1
            )
        return paging.page(found, limit, lambda letter: letter.id)

    @get("/{letter_id:str}", summary="Show a dead letter")
    async def show(self, letter_id: FromPath[str], request: Call, services: Served) -> DeadLetter:
        return await _shown(services, request.user.tenant_id, letter_id)

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
        wanted = _filter(
            data.agent, data.error_type, data.job_id, data.batch_id, data.since, data.until
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
        letter = await _shown(services, request.user.tenant_id, letter_id)
        if letter.replayed_at is not None:
            raise Conflict(f"it was replayed at {letter.replayed_at.isoformat()}")
        return await run_again(services, request, UUID(letter.job_id))


async def _shown(services: Services, tenant_id: str, letter_id: str) -> DeadLetter:
    """Raises NotFound if the tenant has no such letter."""
    wanted = paging.uuid(letter_id, "dead letter")
    async with checkout(services.pool) as connection:
        letter = await dead_letter.show(connection, tenant_id, wanted)
    if letter is None:
        raise NotFound(f"there is no dead letter {letter_id}")
    return letter


def _filter(
    agent: str | None,
    error_type: str | None,
    job_id: str | None,
    batch_id: str | None,
    since: datetime | None,
    until: datetime | None,
) -> LetterFilter:
    """Which letters are meant.

    Raises:
        InvalidInput: there is no such agent, or a time names no zone.
        NotFound: what is no id names no job and no batch.
    """
    if agent is not None:
        agents.get(agent)
    # A body's times are refused so by their type; a query's are not.
    problems = [
        Problem(where=name, problem="no time zone", got=moment.isoformat(), expected="RFC 3339")
        for name, moment in (("since", since), ("until", until))
        if moment is not None and moment.tzinfo is None
    ]
    if problems:
        raise InvalidInput("the letters cannot be filtered so", problems)
    return LetterFilter(
        agent=agent,
        error_type=error_type,
        job_id=paging.uuid(job_id, "job") if job_id is not None else None,
        batch_id=paging.uuid(batch_id, "batch") if batch_id is not None else None,
        since=since,
        until=until,
    )


async def _check_there(connection: AsyncConnection, tenant_id: str, wanted: LetterFilter) -> None:
    """Raises NotFound for a job or a batch that is not there: its letters would just be none."""
    if wanted.job_id and await job_store.head(connection, tenant_id, wanted.job_id) is None:
        raise NotFound(f"there is no job {wanted.job_id}")
    if wanted.batch_id and not await batches.exists(connection, tenant_id, wanted.batch_id):
        raise NotFound(f"there is no batch {wanted.batch_id}")
