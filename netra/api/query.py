"""Query parameters that a route does not know are refused: passing over a typo would hide it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar.enums import ParamType
from litestar.params import ParameterKwarg

from netra.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler

#: A route that looks at its query itself says so: `opt={OWN_QUERY: True}`.
OWN_QUERY = "own_query"


async def check_query(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """A guard of every route. Litestar would run it on a thread if it were not a coroutine.

    Raises:
        InvalidInput: the query has parameters that the route does not take; names each.
    """
    if not connection.query_params or handler.opt.get(OWN_QUERY):
        return
    known = _known(handler)
    expected = f"one of: {', '.join(known)}" if known else "no parameter"
    unknown = [name for name in connection.query_params if name not in known]
    if unknown:
        problems = [
            Problem(where=name, problem="unknown parameter", got=value, expected=expected)
            for name in unknown
            for value in connection.query_params.getall(name)
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
