"""Dead letters: look at what was given up, and run it again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Controller, Request, get, post
from litestar.params import FromPath

from netra.api import paging
from netra.api.access import Principal
from netra.api.job import shown
from netra.api.links import linked
from netra.api.services import Served
from netra.engine import control
from netra.errors import Conflict, NotFound
from netra.schemas.dead_letter import DeadLetter
from netra.schemas.job import Job
from netra.schemas.page import Page
from netra.store import dead_letter
from netra.store.postgres import checkout


class DeadLetterController(Controller):
    path = "/dead-letters"
    tags = ("dead letters",)

    @get("/", summary="List dead letters, newest first")
    async def list(
        self,
        request: Request[Principal, Any, Any],
        services: Served,
        limit: paging.Limit = 50,
        cursor: paging.Cursor = None,
    ) -> Page[DeadLetter]:
        async with checkout(services.pool) as connection:
            found = await dead_letter.page(
                connection, request.user.tenant_id, before=paging.before(cursor), n=limit + 1
            )
        return paging.page(found, limit, lambda letter: letter.id)

    @post("/{letter_id:str}/replay", status_code=202, summary="Run the letter's job again")
    async def replay(
        self, letter_id: FromPath[str], request: Request[Principal, Any, Any], services: Served
    ) -> Job:
        """From where it failed, in a new epoch; what succeeded is kept."""
        tenant_id = request.user.tenant_id
        async with checkout(services.pool) as connection:
            letter = await dead_letter.show(
                connection, tenant_id, paging.uuid(letter_id, "dead letter")
            )
            if letter is None:
                raise NotFound(f"there is no dead letter {letter_id}")
            if letter.replayed_at is not None:
                raise Conflict(f"it was replayed at {letter.replayed_at.isoformat()}")
            facts = await control.retry(connection, tenant_id, UUID(letter.job_id))
        services.outgoing.send(facts)
        return linked(await shown(services, request.user, UUID(letter.job_id)), request)
