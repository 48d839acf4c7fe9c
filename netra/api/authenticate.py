"""Every HTTP route but those that say otherwise (`opt={"open": True}`) asks for a key."""

from __future__ import annotations

from typing import Any

from litestar import Request

from netra.api.access import key_in
from netra.api.services import Services
from netra.logging import note


async def authenticate(request: Request[Any, Any, Any]) -> None:
    """Goes before every handler, once the route is known (Litestar's `before_request`).

    Raises:
        Unauthorized: there is no key, or it is unknown or revoked.
    """
    if request.route_handler.opt.get("open"):
        return
    services: Services = request.app.state.services
    principal = await services.keys.open(key_in(request.headers))
    request.scope["user"] = principal
    note(tenant_id=principal.tenant_id)
