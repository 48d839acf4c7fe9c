"""Every HTTP route but those that say otherwise (`opt={"open": True}`) asks for a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware

from netra.api.access import key_in
from netra.api.services import Services
from netra.logging import bind

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send


class Authenticate(ASGIMiddleware):
    scopes = (ScopeType.HTTP,)
    exclude_opt_key = "open"

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        services: Services = scope["litestar_app"].state.services
        principal = await services.keys.open(key_in(Headers.from_scope(scope)))
        scope["user"] = principal
        with bind(tenant_id=principal.tenant_id):
            await next_app(scope, receive, send)
