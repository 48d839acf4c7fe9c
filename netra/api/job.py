"""Jobs: submit, list, show, cancel, retry; their facts and results."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import FromPath, HeaderParameter, QueryParameter

from netra.api import examples, paging
from netra.api.access import Principal
from netra.api.answer import Answer
from netra.api.call import Call
from netra.api.drafting import Plan, check_workload, plan
from netra.api.links import linked
from netra.api.observe import note_job, traceparent_of
from netra.api.query import OWN_QUERY
from netra.api.services import Served, Services
from netra.engine import control
from netra.engine.submit import Draft, Submitted
from netra.errors import Conflict, InvalidInput, NotFound, Problem
from netra.logging import bind
from netra.progress.message import Message, Position
from netra.schemas.job import (
    JOB_STATES,
    KEY_LENGTH,
    IdempotencyKey,
    Job,
    JobAnswer,
    JobRequest,
    PriorityRequest,
)
from netra.schemas.page import Page
from netra.schemas.socket import MOST_EPOCH, MOST_SEQ
from netra.store import fact, stage, workload
from netra.store import job as jobs
from netra.store.job import JobFilter
from netra.store.postgres import AsyncConnection, checkout
from netra.store.workload import Readable

_KEY = "Idempotency-Key"
_KEY_RULE = f"1 to {KEY_LENGTH} characters; the same as in the body, if it has one too."
_FILTERS = ("state", "workload_id", "batch_id", "pipeline", "limit", "cursor")


def draft(
    planned: Plan,
    principal: Principal,
    found: Readable | None,
    trace: str,
    *,
    key: str | None,
    batch_id: UUID | None = None,
) -> Draft:
    """The planned job, ready to be written."""
    request = planned.request
    return Draft(
        tenant_id=principal.tenant_id,
        workload_id=found.id if found else None,
        goal=planned.goal,
        stages=planned.stages,
        pipeline=planned.pipeline,
        ingests=found.ingests if found else (),
        params=request.params,
        priority=request.priority,
        labels=request.labels,
        deadline=request.deadline,
        batch_id=batch_id,
        idempotency_key=key,
        body_hash=None if key is None else planned.body_hash,
        traceparent=trace,
    )


async def shown(services: Services, principal: Principal, job_id: UUID) -> Job:
    """The job as it stands.

    Raises:
        NotFound: the tenant has no such job.
    """
    async with checkout(services.pool) as connection:
        found = await jobs.show(connection, principal.tenant_id, job_id)
    if found is None:
        raise NotFound(f"there is no job {job_id}")
    return found


async def run_again(services: Services, request: Call, job_id: UUID) -> Job:
    """Retries the job; the job as it stands then, with the deadline that it lost by that.

    Raises:
        NotFound: the tenant has no such job.
        Conflict: it cannot be retried.
    """
    before = await shown(services, request.user, job_id)
    tenant_id = request.user.tenant_id
    async with checkout(services.pool) as connection:
        facts = await control.retry(connection, tenant_id, job_id, seen=before.state)
    services.outgoing.send(facts)
    job = linked(await shown(services, request.user, job_id), request)
    if before.deadline is None or job.deadline is not None:
        return job
    return msgspec.structs.replace(job, dropped_deadline=before.deadline)


class JobController(Controller):
    path = "/jobs"
    tags = ("jobs",)

    @post("/", status_code=202, summary="Submit a job")
    async def submit(
        self,
        data: Annotated[JobRequest, examples.JOB],
        request: Call,
        services: Served,
        idempotency_key: Annotated[
            IdempotencyKey | None, HeaderParameter(name=_KEY, description=_KEY_RULE)
        ] = None,
    ) -> Response[JobAnswer]:
        """Answered before anything runs: follow the job, or ask for it, by its URLs.

        The idempotency key is the header or the body's; if both are given they must be alike."""
        key = _key(request, data)
        planned = plan(data, services.clock.now())
        trace = traceparent_of(request)
        submitted, workload_id = await self._write(services, request.user, planned, trace, key)
        job_id = str(submitted.id)
        note_job(request, job_id)
        with bind(job_id=job_id):
            if not submitted.created:
                job = await shown(services, request.user, submitted.id)
            else:
                job = _accepted(job_id, planned, workload_id)
        headers = {} if submitted.created else {"Idempotency-Replayed": "true"}
        answer = JobAnswer(job=linked(job, request))
        return Answer(answer, status_code=202, headers={**headers, "Location": answer.job.url})

    async def _write(
        self, services: Services, principal: Principal, planned: Plan, trace: str, key: str | None
    ) -> tuple[Submitted, UUID | None]:
        ref = planned.request.workload_id
        if ref is None:
            drafted = draft(planned, principal, None, trace, key=key)
            return await services.intake.submit(drafted), None
        async with services.intake.transaction() as entry:
            found = await workload.readable(entry.connection, principal.tenant_id, ref)
            check_workload(planned, found)
            drafted = draft(planned, principal, found, trace, key=key)
            (submitted,) = await entry.submit([drafted], where="Idempotency-Key")
        return submitted, drafted.workload_id

    @get("/", summary="List jobs, newest first", opt={OWN_QUERY: True})
    async def list(
        self,
        request: Call,
        services: Served,
        limit: paging.Limit = 50,
        cursor: paging.Cursor = None,
    ) -> Page[Job]:
        """Filters: `state` (may be repeated), `workload_id`, `batch_id`, `pipeline`, and
        `label.NAME=VALUE` for each label that must be there."""
        wanted = _filter(request)
        tenant_id = request.user.tenant_id
        async with checkout(services.pool) as connection:
            if (ref := request.query_params.get("workload_id")) is not None:
                wanted = await _of_workload(connection, tenant_id, wanted, ref)
            found = await jobs.page(
                connection, tenant_id, wanted, before=paging.before(cursor), n=limit + 1
            )
        return paging.page([linked(job, request) for job in found], limit, lambda job: job.id)

    @get("/{job_id:str}", summary="Show a job with its stages")
    async def show(self, job_id: FromPath[str], request: Call, services: Served) -> Job:
        found = await shown(services, request.user, paging.uuid(job_id, "job"))
        return linked(found, request)

    @post("/{job_id:str}/cancel", status_code=202, summary="Ask a job to stop")
    async def cancel(self, job_id: FromPath[str], request: Call, services: Served) -> Job:
        job = paging.uuid(job_id, "job")
        async with checkout(services.pool) as connection:
            facts = await control.cancel(connection, request.user.tenant_id, job)
        services.outgoing.send(facts)
        return linked(await shown(services, request.user, job), request)

    @post("/{job_id:str}/retry", status_code=202, summary="Run a job again from where it failed")
    async def retry(self, job_id: FromPath[str], request: Call, services: Served) -> Job:
        """In a new epoch; what succeeded is kept. A deadline that has passed is dropped, since it
        would stop the job at once: `dropped_deadline` in the answer is what it was. The job then
        runs without one."""
        return await run_again(services, request, paging.uuid(job_id, "job"))

    @post("/{job_id:str}/priority", status_code=202, summary="Change how urgent a job is")
    async def prioritize(
        self,
        job_id: FromPath[str],
        data: Annotated[PriorityRequest, examples.PRIORITY],
        request: Call,
        services: Served,
    ) -> Job:
        """What is ready takes its new place at once; what runs goes on."""
        job = paging.uuid(job_id, "job")
        async with checkout(services.pool) as connection:
            await control.prioritize(connection, request.user.tenant_id, job, data.priority)
        return linked(await shown(services, request.user, job), request)

    @get("/{job_id:str}/facts", summary="The facts of a job after a position")
    async def facts(
        self,
        job_id: FromPath[str],
        request: Call,
        services: Served,
        limit: paging.Limit = 50,
        epoch: Annotated[int, QueryParameter(ge=0, le=MOST_EPOCH)] = 0,
        after_seq: Annotated[int, QueryParameter(ge=0, le=MOST_SEQ)] = 0,
        cursor: paging.Cursor = None,
    ) -> Response[bytes]:
        """In the order in which they became true, epochs after `epoch` included."""
        job = paging.uuid(job_id, "job")
        seen = Position(epoch, after_seq)
        if cursor is not None:
            seen = _position(cursor)
        tenant_id = request.user.tenant_id
        async with checkout(services.pool) as connection:
            if await jobs.head(connection, tenant_id, job) is None:
                raise NotFound(f"there is no job {job_id}")
            rows = await fact.after(connection, tenant_id, {str(job): seen}, limit + 1)
        found = [Message.from_row(row) for row in rows]
        following = str(found[limit - 1].position) if len(found) > limit else None
        items = [msgspec.Raw(message.raw) for message in found[:limit]]
        body = msgspec.json.encode({"items": items, "next": following})
        return Answer(body, media_type="application/json")

    @get("/{job_id:str}/results/{stage_name:str}", summary="What a finished stage answered")
    async def result(
        self,
        job_id: FromPath[str],
        stage_name: FromPath[str],
        request: Call,
        services: Served,
    ) -> dict[str, Any]:
        job = paging.uuid(job_id, "job")
        async with checkout(services.pool) as connection:
            found = await stage.outcome(connection, request.user.tenant_id, job, stage_name)
        if found is None:
            raise NotFound(f"there is no job {job_id} with a stage {stage_name}")
        if found.content is None:
            raise Conflict(f"stage {stage_name} is {found.state}; it has no result")
        return found.content


def _key(request: Call, data: JobRequest) -> str | None:
    """The submission's idempotency key: a header, or part of the body.

    Raises:
        InvalidInput: the header is no key, or two are given.
    """
    given = request.headers.getall(_KEY, [])
    expected = f"1 to {KEY_LENGTH} characters"
    wrong = [key for key in given if not 1 <= len(key) <= KEY_LENGTH]
    problems = [
        Problem(where=_KEY, problem="not a key", got=key, expected=expected) for key in wrong
    ]
    keys = list(dict.fromkeys([*given, *filter(None, [data.idempotency_key])]))
    if not problems and len(keys) > 1:
        problem = "one submission has two keys: a header is there twice, or the body has another"
        expected = "the same key in both, or one of them"
        problems = [Problem(where=_KEY, problem=problem, got=", ".join(keys), expected=expected)]
    if problems:
        raise InvalidInput("the idempotency key cannot be used", problems)
    return keys[0] if keys else None


def _accepted(job_id: str, planned: Plan, workload_id: UUID | None) -> Job:
    """The job as its transaction left it, without asking for it again."""
    request = planned.request
    return Job(
        id=job_id,
        workload_id=str(workload_id) if workload_id else None,
        state="queued",
        epoch=1,
        seq=1,
        labels=dict(request.labels),
        pipeline=planned.pipeline,
        goal=msgspec.to_builtins(planned.goal),
        priority=request.priority,
        deadline=request.deadline,
        stages_total=len(planned.stages),
    )


def _position(cursor: str) -> Position:
    seen = Position.parse(cursor)
    if seen is None:
        problem = Problem(where="cursor", problem="not a cursor of this list", got=cursor)
        raise InvalidInput("the cursor is not valid", [problem])
    return seen


def _filter(request: Call) -> JobFilter:
    """The list's filter.

    Raises:
        InvalidInput: a parameter or a state is unknown, or an id is none.
    """
    query = request.query_params
    problems: list[Problem] = []
    labels: dict[str, str] = {}
    for name, value in query.multi_items():
        if name.startswith("label."):
            labels[name.removeprefix("label.")] = value
        elif name not in _FILTERS:
            expected = f"one of: {', '.join(_FILTERS)}, label.NAME"
            problems.append(Problem(where=name, problem="unknown parameter", expected=expected))
    states = tuple(query.getall("state", []))
    for state in states:
        if state not in JOB_STATES:
            expected = f"one of: {', '.join(JOB_STATES)}"
            problems.append(
                Problem(where="state", problem="unknown state", got=state, expected=expected)
            )
    if problems:
        raise InvalidInput("the filter cannot be used", problems)
    batch = query.get("batch_id")
    return JobFilter(
        states=states,
        batch_id=paging.uuid(batch, "batch") if batch is not None else None,
        pipeline=query.get("pipeline"),
        labels=labels,
    )


async def _of_workload(
    connection: AsyncConnection, tenant_id: str, wanted: JobFilter, ref: str
) -> JobFilter:
    found = await workload.show(connection, tenant_id, ref)
    if found is None:
        raise NotFound(f"there is no workload {ref}")
    return JobFilter(
        states=wanted.states,
        workload_id=UUID(found.id),
        batch_id=wanted.batch_id,
        pipeline=wanted.pipeline,
        labels=wanted.labels,
    )
