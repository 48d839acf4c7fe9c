"""The OpenAPI description: served at `/schema`, with examples and with the problems it answers."""

from __future__ import annotations

from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, Example, SecurityScheme

import netra
from netra.api.links import PREFIX
from netra.api.problems import details
from netra.errors import Conflict, InvalidInput, NetraError, NotFound, Problem, Unauthorized
from netra.schemas.problem import MEDIA_TYPE, ProblemDetails

_UNKNOWN_AGENT = Problem(
    where="stages[0].agent", problem="unknown agent", got="nope", expected="one of: profile, …"
)
#: What any route of the API may answer.
_ERRORS = (
    InvalidInput("there is no agent 'nope'", [_UNKNOWN_AGENT]),
    Unauthorized("this call needs an API key"),
    NotFound("there is no job 0191f2a0-0000-7000-8000-000000000000"),
    Conflict("the workload is being ingested into"),
)


def openapi() -> OpenAPIConfig:
    key = SecurityScheme(type="http", scheme="bearer", description="An API key.")
    header = SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header")
    return OpenAPIConfig(
        title="Netra",
        version=netra.__version__,
        description="Plans for LLM workloads: computed from traffic, backtested, traceable.",
        # What the API is, is no secret, and a browser that opens it sends no key.
        openapi_router=Router("/schema", route_handlers=[], opt={"open": True}),
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"])],
        components=Components(security_schemes={"bearer": key, "header": header}),
        security=[{"bearer": []}, {"header": []}],
    )


def add_problems(app: Litestar) -> None:
    """Describes the errors of every route: the framework would describe its own."""
    responses = {error.status: _response(error) for error in _ERRORS}
    for route in app.routes:
        if not route.path.startswith(PREFIX):
            continue
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler):
                handler.responses = responses


def _response(error: NetraError) -> ResponseSpec:
    example = Example(summary=error.slug, value=details(error, "01a20b7a-7798-742e-a1d3"))
    return ResponseSpec(
        data_container=ProblemDetails,
        generate_examples=False,
        description=(type(error).__doc__ or "").strip(),
        media_type=MEDIA_TYPE,
        examples=[example],
    )
