"""From problem details (RFC 9457) back to Netra's exceptions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from netra import errors
from netra.errors import InsufficientData, NetraError, Problem


class Unreachable(NetraError):
    """The API cannot be reached."""

    status = 503
    slug = "unreachable"


def _tree(root: type[NetraError]) -> Iterator[type[NetraError]]:
    yield root
    for below in root.__subclasses__():
        yield from _tree(below)


#: Only those that a server sends: the module's own, not what other packages derive from them.
_BY_SLUG = {kind.slug: kind for kind in _tree(NetraError) if kind.__module__ == errors.__name__}
#: For answers of proxies and frameworks, which carry no slug of Netra's.
_BY_STATUS: dict[int, type[NetraError]] = {
    400: errors.InvalidInput,
    401: errors.Unauthorized,
    403: errors.Unauthorized,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.TooLarge,
    422: errors.InvalidInput,
    # What a proxy says while there is no API behind it.
    502: Unreachable,
    503: errors.StoreUnavailable,
    504: Unreachable,
}


def error_of(response: httpx.Response) -> NetraError:
    """The exception that an unsuccessful answer stands for, with its detail and errors."""
    body = _body(response)
    slug = str(body.get("type", "")).rpartition("/")[2]
    kind = _BY_SLUG.get(slug) or _BY_STATUS.get(response.status_code, NetraError)
    detail = str(body.get("detail") or body.get("title") or _plain(response))
    if kind is InsufficientData:
        return InsufficientData(detail, needs=body.get("needs") or ())
    return kind(detail, [_problem(e) for e in body.get("errors") or () if isinstance(e, dict)])


def error_named(slug: str, detail: str) -> NetraError:
    """The exception that a problem's stable name stands for."""
    kind = _BY_SLUG.get(slug, NetraError)
    return kind(detail)


def _body(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _plain(response: httpx.Response) -> str:
    request = response.request
    answer = f"{response.status_code} {response.reason_phrase}".strip()
    return f"{request.method} {request.url} was answered with {answer}"


def _problem(raw: dict[str, Any]) -> Problem:
    return Problem(
        where=str(raw.get("where", "")),
        problem=str(raw.get("problem", "")),
        got=raw.get("got"),
        expected=raw.get("expected"),
    )
