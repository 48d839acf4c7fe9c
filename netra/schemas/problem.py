"""Errors as clients see them: problem details (RFC 9457), `application/problem+json`."""

from __future__ import annotations

from typing import Any

import msgspec

#: The `type` of each problem is this and a slug, a stable name for programs.
TYPE_PREFIX = "https://netra.dev/problems/"
MEDIA_TYPE = "application/problem+json"


class ProblemItem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with the request."""

    #: A JSON path (`stages[2].agent`), a query parameter, a header, or `line 7, column 3`.
    where: str
    problem: str
    got: Any = None
    expected: Any = None


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    title: str
    status: int
    detail: str
    errors: tuple[ProblemItem, ...] = ()
    #: Names the request in the server's logs.
    request_id: str | None = None
