"""What a route does not know in its URL is refused: passing over a typo would hide it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request
from litestar.enums import ParamType
from litestar.params import ParameterKwarg

from netra.api.text import check_url
from netra.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from litestar.handlers import BaseRouteHandler

#: A route that looks at its query itself says so: `opt={OWN_QUERY: True}`.
OWN_QUERY = "own_query"


async def check_query(request: Request[Any, Any, Any]) -> None:
    """Goes before every handler. Litestar would run it on a thread if it were not a coroutine.

    Raises:
        InvalidInput: the query has parameters that the route does not take, or text that no store
            can hold; names each.
    """
    check_url(request)
    if not request.scope["query_string"] or request.route_handler.opt.get(OWN_QUERY):
        return
    known = _known(request.route_handler)
    expected = f"one of: {', '.join(known)}" if known else "no parameter"
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        problems = [
            Problem(where=name, problem="unknown parameter", got=value, expected=expected)
            for name in unknown
            for value in request.query_params.getall(name)
        ]
        raise InvalidInput("the query cannot be used", problems)


def _known(handler: BaseRouteHandler) -> list[str]:
    found: list[str] = []
    given = handler.resolve_dependencies()
    for name, parameter in handler.parsed_fn_signature.parameters.items():
        if name in given:
            continue
        declared = parameter.kwarg_definition
        if isinstance(declared, ParameterKwarg) and declared.param_type is ParamType.QUERY:
            found.append(declared.name or name)
    return found
