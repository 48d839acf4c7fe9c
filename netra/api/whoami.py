"""Who calls, and tickets that open a WebSocket where no header can be sent."""

from __future__ import annotations

from litestar import get, post

from netra.api.call import Call
from netra.api.services import Served
from netra.schemas.access import Ticket, WhoAmI


@get("/whoami", summary="The tenant and name of the key", tags=["access"])
async def whoami(request: Call) -> WhoAmI:
    return WhoAmI(tenant_id=request.user.tenant_id, key_name=request.user.key_name)


@post("/tickets", status_code=201, summary="A ticket for one WebSocket", tags=["access"])
async def issue(request: Call, services: Served) -> Ticket:
    """Open `/ws?ticket=…` with it, once, before it expires."""
    ticket, expires_at = await services.tickets.issue(request.user)
    return Ticket(ticket=ticket, expires_at=expires_at)
