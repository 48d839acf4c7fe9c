"""Workloads: create by upload, append, list, show, delete."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.params import FromPath, FromQuery, QueryParameter

from netra.api import paging
from netra.api.access import Principal
from netra.api.call import Call
from netra.api.services import Served, Services
from netra.api.spool import Upload, spooled
from netra.errors import Conflict, InvalidEvents, InvalidInput, NotFound, Problem
from netra.logging import bind
from netra.schemas.page import Page
from netra.schemas.workload import IngestSummary, Workload, WorkloadAnswer
from netra.store import job as jobs
from netra.store import workload as workloads
from netra.store.postgres import checkout

_NAME_LENGTH = 200

Format = Annotated[
    str | None, QueryParameter(name="format", description="The file's format; else it is detected.")
]
Start = Annotated[
    datetime | None,
    QueryParameter(name="start", description="When a trace with relative times began."),
]
Filename = Annotated[str | None, QueryParameter(name="filename", description="As people know it.")]


async def shown(services: Services, principal: Principal, ref: str) -> Workload:
    """The workload of this id or name.

    Raises:
        NotFound: the tenant has none.
    """
    async with checkout(services.pool) as connection:
        found = await workloads.show(connection, principal.tenant_id, ref)
    if found is None:
        raise NotFound(f"there is no workload {ref}")
    return found


_EMPTY = (
    "the file is empty: there is not one event in it. Send the bytes of a file of events, or"
    " empty=true to make a workload that is filled later"
)
_NOT_EMPTY = "empty=true makes a workload without events, but the body holds a file; leave one out"


class WorkloadController(Controller):
    path = "/workloads"
    tags = ("workloads",)

    @post("/", status_code=201, summary="Create a workload", request_max_body_size=None)
    async def create(
        self,
        request: Call,
        services: Served,
        name: FromQuery[str],
        format: Format = None,
        start: Start = None,
        filename: Filename = None,
        empty: FromQuery[bool] = False,
    ) -> WorkloadAnswer:
        """From the file in the body, or with `empty=true` without events. A file that cannot be
        ingested leaves no workload behind; a workload that is still empty is filled."""
        _check_name(name)
        async with spooled(request, services.settings.api) as file:
            if (file is None) is not empty:
                raise InvalidEvents(_EMPTY if file is None else _NOT_EMPTY)
            async with checkout(services.pool) as connection:
                workload_id, created = await workloads.create(
                    connection, request.user.tenant_id, name, fill=file is not None
                )
            summary = None
            if file is not None:
                upload = Upload(file, filename, format, start)
                try:
                    summary = await _load(services, request.user, workload_id, upload)
                except BaseException:
                    if not created:
                        raise
                    async with checkout(services.pool) as connection:
                        await workloads.discard(connection, workload_id)
                    raise
        found = await shown(services, request.user, str(workload_id))
        return WorkloadAnswer(workload=found, ingest=summary)

    @post("/{ref:str}/events", status_code=200, summary="Append a file", request_max_body_size=None)
    async def append(
        self,
        ref: FromPath[str],
        request: Call,
        services: Served,
        format: Format = None,
        start: Start = None,
        filename: Filename = None,
    ) -> WorkloadAnswer:
        """Wholly or not at all; events that are there already are not added again."""
        found = await shown(services, request.user, ref)
        async with spooled(request, services.settings.api) as file:
            if file is None:
                raise InvalidEvents("the body is empty; send the bytes of a file of events")
            upload = Upload(file, filename, format, start)
            summary = await _load(services, request.user, UUID(found.id), upload)
        return WorkloadAnswer(
            workload=await shown(services, request.user, found.id), ingest=summary
        )

    @get("/", summary="List workloads, newest first")
    async def list(
        self,
        request: Call,
        services: Served,
        limit: paging.Limit = 50,
        cursor: paging.Cursor = None,
    ) -> Page[Workload]:
        async with checkout(services.pool) as connection:
            found = await workloads.page(
                connection, request.user.tenant_id, before=paging.before(cursor), n=limit + 1
            )
        return paging.page(found, limit, lambda workload: workload.id)

    @get("/{ref:str}", summary="Show a workload, by id or name")
    async def show(self, ref: FromPath[str], request: Call, services: Served) -> Workload:
        return await shown(services, request.user, ref)

    @delete("/{ref:str}", summary="Delete a workload and its events")
    async def delete(self, ref: FromPath[str], request: Call, services: Served) -> None:
        """Not while jobs of it are under way, or an ingest runs. What its jobs found stays."""
        async with checkout(services.pool) as connection, connection.transaction():
            found = await workloads.lock(connection, request.user.tenant_id, ref)
            if found is None:
                raise NotFound(f"there is no workload {ref}")
            found.check_settled(ref)
            if unfinished := await jobs.unfinished(connection, found.id):
                raise Conflict(
                    f"{unfinished} jobs of workload {ref} are under way; cancel them first"
                )
            await workloads.delete(connection, found.id)


def _check_name(name: str) -> None:
    """A name is not an id, so that both can stand in a URL."""
    try:
        UUID(name)
        bad = True
    except ValueError:
        bad = not name.strip() or len(name) > _NAME_LENGTH or "/" in name or not name.isprintable()
    if bad:
        expected = f"1 to {_NAME_LENGTH} printable characters without '/', and not an id"
        problem = Problem(where="name", problem="not a name", got=name, expected=expected)
        raise InvalidInput("a workload cannot be called that", [problem])


async def _load(
    services: Services, principal: Principal, workload_id: UUID, upload: Upload
) -> IngestSummary:
    """Ingests the file in a thread."""
    with bind(workload_id=str(workload_id)):
        done = await services.blocking.run(
            upload.load, services.settings, principal.tenant_id, workload_id
        )
    return IngestSummary(
        id=str(done.ingest_id),
        format=done.format,
        rows=done.rows,
        events=done.events,
        duplicates=done.duplicates,
        repeated=done.events == 0 and done.duplicates > 0,
    )
