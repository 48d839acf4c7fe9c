"""What a person reads of a finished job: the report, and the recommendations in it."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from litestar import Response, get
from litestar.params import FromPath, FromQuery

from netra.api import paging
from netra.api.access import Principal
from netra.api.answer import Answer
from netra.api.call import Call
from netra.api.services import Served, Services
from netra.errors import Conflict, NotFound
from netra.schemas.job import TERMINAL
from netra.schemas.page import Page
from netra.store import job as jobs
from netra.store import stage, workload
from netra.store.postgres import checkout
from netra.store.stage import ReportRow

Format = Literal["json", "html", "markdown"]

_MEDIA: dict[str, Format] = {
    "application/json": "json",
    "text/html": "html",
    "text/markdown": "markdown",
}
_LATEST = 100


async def _report(services: Services, principal: Principal, job_id: UUID) -> ReportRow:
    """
    Raises:
        NotFound: the tenant has no such job, or the job ended without a report.
        Conflict: the job is under way, so its report is yet to come.
    """
    async with checkout(services.pool) as connection:
        head = await jobs.head(connection, principal.tenant_id, job_id)
        found = await stage.report(connection, principal.tenant_id, job_id)
    if head is None:
        raise NotFound(f"there is no job {job_id}")
    if found is None and head.state not in TERMINAL:
        raise Conflict(f"job {job_id} is {head.state}; its report is not ready yet")
    if found is None:
        raise NotFound(f"job {job_id} {head.state} without a report")
    return found


def _format(request: Call, asked: Format | None) -> Format:
    """What was asked for by name, else what the caller accepts first, else JSON."""
    if asked is not None:
        return asked
    best = request.accept.best_match(list(_MEDIA), default="application/json")
    return _MEDIA[best or "application/json"]


@get("/jobs/{job_id:str}/report", summary="A job's report", tags=["reports"])
async def report(
    job_id: FromPath[str],
    request: Call,
    services: Served,
    format: FromQuery[Format | None] = None,
) -> Response[Any]:
    """As JSON, as one self-contained HTML page, or as Markdown: by `format`, or by `Accept`."""
    row = await _report(services, request.user, paging.uuid(job_id, "job"))
    chosen = _format(request, format)
    if chosen == "json":
        return Answer(row.content)
    if chosen == "html":
        from netra.reports.html import render_html

        page = await services.blocking.run(render_html, row.content)
        return Answer(page, media_type="text/html; charset=utf-8")
    from netra.reports.markdown import render_markdown

    text = await services.blocking.run(render_markdown, row.content)
    return Answer(text, media_type="text/markdown; charset=utf-8")


@get("/jobs/{job_id:str}/recommendations", summary="A job's recommendations", tags=["reports"])
async def of_job(job_id: FromPath[str], request: Call, services: Served) -> Page[dict[str, Any]]:
    row = await _report(services, request.user, paging.uuid(job_id, "job"))
    return Page(items=tuple(_recommendations(row)))


@get("/recommendations", summary="The latest of each workload", tags=["reports"])
async def latest(
    request: Call,
    services: Served,
    workload_id: FromQuery[str | None] = None,
) -> Page[dict[str, Any]]:
    """From the newest report of each workload, or of the one that is named."""
    async with checkout(services.pool) as connection:
        wanted = None
        if workload_id is not None:
            found = await workload.show(connection, request.user.tenant_id, workload_id)
            if found is None:
                raise NotFound(f"there is no workload {workload_id}")
            wanted = UUID(found.id)
        rows = await stage.latest_reports(connection, request.user.tenant_id, wanted, _LATEST)
    return Page(items=tuple(item for row in rows for item in _recommendations(row)))


def _recommendations(row: ReportRow) -> list[dict[str, Any]]:
    """The report's recommendations, each with where it comes from."""
    source = {"job_id": row.job_id, "workload_id": row.workload_id}
    return [{**item, **source} for item in row.content.get("recommendations", ())]
