"""Who calls, and whether the API and its stores are up."""

from __future__ import annotations

import httpx
import msgspec

from netra.client.call import Awaiting, Blocking, call
from netra.client.request import Request, as_json, get
from netra.schemas.access import WhoAmI
from netra.schemas.health import Health, Readiness


class AccessCalls:
    @call
    def whoami(self) -> Request[WhoAmI]:
        """The tenant and name of the API key in use."""
        return get("/whoami", as_json(WhoAmI))

    @call
    def health(self) -> Request[Health]:
        """Whether the API serves; needs no key."""
        return Request(method="GET", path="/health", read=as_json(Health))

    @call
    def ready(self) -> Request[Readiness]:
        """Whether each store answers; needs no key."""
        return Request(method="GET", path="/health/ready", read=_readiness, accept=(503,))


class Access(AccessCalls, Blocking):
    """The API itself."""


class AsyncAccess(AccessCalls, Awaiting):
    """The API itself."""


def _readiness(response: httpx.Response) -> Readiness:
    return msgspec.json.decode(response.content, type=Readiness)
