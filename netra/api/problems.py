"""Errors as problem details: the one place where exceptions become HTTP."""

from __future__ import annotations

import http
import logging
import re
from collections.abc import Iterable
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.exceptions import SerializationException as Undecodable

from netra.api.answer import Answer
from netra.errors import (
    Conflict,
    InvalidInput,
    NetraError,
    NotFound,
    Problem,
    StoreUnavailable,
    TooLarge,
    Unauthorized,
)
from netra.schemas.problem import MEDIA_TYPE, TYPE_PREFIX, ProblemDetails, ProblemItem
from netra.validation import described, in_words

log = logging.getLogger(__name__)

#: What a value in a problem is cut to, characters.
_SHOWN = 200

#: How the framework says that a parameter is not there.
_MISSING = re.compile(r"Missing required (\w+) parameter '([^']*)'")

_BY_STATUS: dict[int, type[NetraError]] = {
    400: InvalidInput,
    401: Unauthorized,
    404: NotFound,
    409: Conflict,
    503: StoreUnavailable,
}


class MethodNotAllowed(NetraError):
    """There is something at this path, but it does not take this method."""

    status = 405
    slug = "method-not-allowed"


def details(error: NetraError, request_id: str | None = None) -> ProblemDetails:
    """The problem details of one of Netra's errors."""
    return ProblemDetails(
        type=TYPE_PREFIX + error.slug,
        title=(type(error).__doc__ or error.slug).strip().splitlines()[0],
        status=error.status,
        detail=error.detail,
        errors=tuple(_item(problem) for problem in error.errors),
        request_id=request_id,
    )


def _item(problem: Problem) -> ProblemItem:
    return ProblemItem(
        where=problem.where,
        problem=problem.problem,
        got=_shown(problem.got),
        expected=_shown(problem.expected),
    )


def _shown(value: Any) -> Any:
    """The value itself if it is small, else how it begins."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def from_http(error: HTTPException, request: Request[Any, Any, Any]) -> NetraError:
    """The framework's own errors, in Netra's words."""
    if isinstance(error, ValidationException):
        return InvalidInput("the request is not valid", list(_problems(error, request)))
    if isinstance(error.__cause__, Undecodable):
        return InvalidInput(f"the body is not JSON: {error.detail}")
    if error.status_code == 404:
        return NotFound(f"there is nothing at {request.method} {request.url.path}")
    if error.status_code == 405:
        return MethodNotAllowed(f"{request.url.path} does not take {request.method}")
    if error.status_code == 413:
        return TooLarge(_limit(request))
    known = _BY_STATUS.get(error.status_code)
    if known is not None:
        return known(error.detail)
    other = NetraError(error.detail)
    other.status = error.status_code  # pyright: ignore[reportAttributeAccessIssue]
    other.slug = _phrase(error.status_code)  # pyright: ignore[reportAttributeAccessIssue]
    return other


def _limit(request: Request[Any, Any, Any]) -> str:
    limit = request.route_handler.resolve_request_max_body_size()
    most = f" of {limit:,} bytes" if isinstance(limit, int) else ""
    return (
        f"the body is larger than the limit{most} (setting api.max_body_bytes); send it in parts,"
        " e.g. a batch in several calls with one name"
    )


def _problems(error: ValidationException, request: Request[Any, Any, Any]) -> Iterable[Problem]:
    """Each thing that the framework found wrong, with what was sent and what would do."""
    parameters = request.route_handler.parsed_fn_signature.parameters
    if missing := _MISSING.search(error.detail):
        place, name = missing[1], missing[2]
        expected = in_words(parameters[name].annotation) if name in parameters else None
        yield Problem(where=name, problem=f"missing {place} parameter", expected=expected)
        return
    for item in error.extra if isinstance(error.extra, list) else [error.extra or {}]:
        said, key = str(item.get("message") or error.detail), str(item.get("key", ""))
        if item.get("source") == "body" and "data" in parameters:
            # A body that is there was read by `Call`, which told of what is wrong in it.
            yield Problem(
                where="body",
                problem="the body is empty",
                expected=in_words(parameters["data"].annotation),
            )
        elif key in parameters:
            sent = {**request.path_params, **request.query_params}
            yield described(said, "", sent.get(key), parameters[key].annotation, key)
        else:
            yield Problem(where=key or "body", problem=said)


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase.lower().replace(" ", "-")
    except ValueError:
        return "error"


def respond(request: Request[Any, Any, Any], error: Exception) -> Response[ProblemDetails]:
    """The answer to a request that failed."""
    if isinstance(error, HTTPException):
        known = from_http(error, request)
    elif isinstance(error, NetraError):
        known = error
    elif isinstance(error, RecursionError):
        known = InvalidInput("the body is nested too deeply")
    else:
        known = NetraError("an error of Netra's own; the log has it under the request's id")
    if known.status >= 500:
        log.error("%s %s failed: %s", request.method, request.url.path, error, exc_info=error)
    answer = Answer(
        details(known, request.scope.get("netra_request_id")),
        status_code=known.status,
        media_type=MEDIA_TYPE,
    )
    if known.status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="netra"'
    if known.status == 503:
        answer.headers["Retry-After"] = "1"
    return answer
