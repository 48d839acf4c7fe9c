"""Batches: submit thousands of jobs in one call, follow them as a group, cancel them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from litestar import Controller, get, post
from litestar.params import FromPath

from netra.api import examples, paging
from netra.api.call import Call
from netra.api.drafting import Plan, check_workload, plan, same_kind, within
from netra.api.intake import Entry
from netra.api.job import draft
from netra.api.links import linked
from netra.api.observe import traceparent_of
from netra.api.services import Served, Services
from netra.engine.submit import Draft
from netra.errors import NetraError, NotFound, Problem
from netra.schemas.batch import Batch, BatchAnswer, BatchJob, BatchRequest, BatchResult
from netra.schemas.job import Job, JobRequest
from netra.schemas.page import Page
from netra.store import batch as batches
from netra.store import job as jobs
from netra.store import queue, workload
from netra.store.job import JobFilter
from netra.store.postgres import checkout
from netra.store.workload import Readable

#: Problems told of at most: a person reads them.
_TOLD = 20
#: Jobs stopped in one transaction.
_AT_ONCE = 200
#: A call that stops a batch answers after, seconds; the scheduler goes on with the rest.
_CANCEL_S = 10.0
#: How soon to look again at a batch that somebody else stops, seconds.
_TURN_S = 0.05


def plan_all(requests: Sequence[JobRequest], now: datetime) -> list[Plan]:
    """Plans every job.

    Raises:
        InvalidInput: some cannot be planned; names each, as `jobs[i]`.
    """
    plans: list[Plan] = []
    failed: list[NetraError] = []
    problems: list[Problem] = []
    for i, request in enumerate(requests):
        try:
            plans.append(plan(request, now))
        except NetraError as e:
            failed.append(e)
            problems += within(e, f"jobs[{i}]")
            if len(problems) >= _TOLD:
                break
    if failed:
        raise same_kind(failed)("some jobs cannot be submitted; none was", problems[:_TOLD])
    return plans


class BatchController(Controller):
    path = "/batches"
    tags = ("batches",)

    @post("/", status_code=202, summary="Submit many jobs as a group, or add to it")
    async def submit(
        self,
        data: Annotated[BatchRequest, examples.BATCH],
        request: Call,
        services: Served,
    ) -> BatchAnswer:
        """All jobs are taken, or none. Jobs whose key was used before are not submitted again."""
        now = services.clock.now()
        plans = await asyncio.to_thread(plan_all, data.jobs, now)
        tenant_id = request.user.tenant_id
        trace = traceparent_of(request)
        async with services.intake.transaction() as entry:
            found = await self._workloads(entry, tenant_id, plans)
            batch_id = await batches.ensure(entry.connection, tenant_id, data.name)
            drafts: list[Draft] = []
            for planned in plans:
                read = found.get(planned.request.workload_id or "")
                key = planned.request.idempotency_key
                drafts.append(draft(planned, request.user, read, trace, key=key, batch_id=batch_id))
            answers = await entry.submit(drafts)
            batch = await batches.show(entry.connection, tenant_id, batch_id)
        assert batch is not None
        submitted = tuple(BatchJob(id=str(a.id), created=a.created) for a in answers)
        return BatchAnswer(batch=batch, jobs=submitted)

    async def _workloads(
        self, entry: Entry, tenant_id: str, plans: Sequence[Plan]
    ) -> dict[str, Readable]:
        """What the jobs read, each workload looked up once."""
        found: dict[str, Readable] = {}
        for i, planned in enumerate(plans):
            ref = planned.request.workload_id
            if ref is None or ref in found:
                continue
            read = await workload.readable(entry.connection, tenant_id, ref)
            check_workload(planned, read, where=f"jobs[{i}].workload_id")
            assert read is not None
            found[ref] = read
        return found

    @get("/", summary="List batches, newest first")
    async def list(
        self,
        request: Call,
        services: Served,
        limit: paging.Limit = 50,
        cursor: paging.Cursor = None,
    ) -> Page[Batch]:
        async with checkout(services.pool) as connection:
            found = await batches.page(
                connection, request.user.tenant_id, before=paging.before(cursor), n=limit + 1
            )
        return paging.page(found, limit, lambda batch: batch.id)

    @get("/{batch_id:str}", summary="Show a batch: how many jobs are in which state")
    async def show(self, batch_id: FromPath[str], request: Call, services: Served) -> Batch:
        return await self._shown(batch_id, request, services)

    @get("/{batch_id:str}/jobs", summary="List a batch's jobs, newest first")
    async def jobs(
        self,
        batch_id: FromPath[str],
        request: Call,
        services: Served,
        limit: paging.Limit = 50,
        cursor: paging.Cursor = None,
    ) -> Page[Job]:
        await self._there(batch_id, request, services)
        wanted = JobFilter(batch_id=paging.uuid(batch_id, "batch"))
        async with checkout(services.pool) as connection:
            found = await jobs.page(
                connection,
                request.user.tenant_id,
                wanted,
                before=paging.before(cursor),
                n=limit + 1,
            )
        return paging.page([linked(job, request) for job in found], limit, lambda job: job.id)

    @post("/{batch_id:str}/cancel", status_code=202, summary="Ask all jobs of a batch to stop")
    async def cancel(self, batch_id: FromPath[str], request: Call, services: Served) -> Batch:
        """Jobs that ended stay as they are. Those that run are told first; a large batch takes
        a while, and this answers before it is done."""
        batch = paging.uuid(batch_id, "batch")
        await self._shown(batch_id, request, services)
        until = services.clock.monotonic() + _CANCEL_S
        async with checkout(services.pool) as connection:
            await batches.ask_to_stop(connection, request.user.tenant_id, batch)
            while services.clock.monotonic() < until:
                answer = await queue.stop_batch(connection, batch, _AT_ONCE)
                services.outgoing.send(answer["facts"])
                if not answer["left"]:
                    break
                if not answer["facts"]:
                    await asyncio.sleep(_TURN_S)  # somebody else is at it
        return await self._shown(batch_id, request, services)

    @get("/{batch_id:str}/results", summary="How a batch's jobs ended, and what they answered")
    async def results(
        self,
        batch_id: FromPath[str],
        request: Call,
        services: Served,
        limit: paging.Limit = 50,
        cursor: paging.Cursor = None,
    ) -> Page[BatchResult]:
        """Newest first; `netra batch export` writes all of it to a file."""
        await self._there(batch_id, request, services)
        async with checkout(services.pool) as connection:
            found = await batches.results(
                connection,
                request.user.tenant_id,
                paging.uuid(batch_id, "batch"),
                before=paging.before(cursor),
                n=limit + 1,
            )
        return paging.page(found, limit, lambda result: result.id)

    async def _there(self, batch_id: str, request: Call, services: Services) -> None:
        """Looks that there is such a batch, without counting its jobs."""
        batch = paging.uuid(batch_id, "batch")
        async with checkout(services.pool) as connection:
            if not await batches.exists(connection, request.user.tenant_id, batch):
                raise NotFound(f"there is no batch {batch_id}")

    async def _shown(self, batch_id: str, request: Call, services: Services) -> Batch:
        async with checkout(services.pool) as connection:
            found = await batches.show(
                connection, request.user.tenant_id, paging.uuid(batch_id, "batch")
            )
        if found is None:
            raise NotFound(f"there is no batch {batch_id}")
        return found
