"""A request of somebody who is known."""

from __future__ import annotations

from typing import Any

from litestar import Request

from netra.api.access import Principal


class Call(Request[Principal, Any, Any]):
    """What handlers are given. A class of its own: the framework looks at what a generic one is
    made of at every request."""
