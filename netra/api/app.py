"""The Litestar app. Importing this loads no numerics and no store drivers beyond PostgreSQL's."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from litestar import Litestar, Request, Router
from litestar.config.cors import CORSConfig
from litestar.di import Provide

from netra.api import describe, events, health, observe, problems, report, socket, whoami
from netra.api import metrics as metrics_route
from netra.api.agent import AgentController
from netra.api.answer import Answer
from netra.api.authenticate import authenticate
from netra.api.batch import BatchController
from netra.api.call import Call
from netra.api.dead_letter import DeadLetterController
from netra.api.job import JobController
from netra.api.links import PREFIX
from netra.api.pipeline import PipelineController
from netra.api.query import check_query
from netra.api.services import Services
from netra.api.supply import SupplyController
from netra.api.workload import WorkloadController
from netra.settings import Settings, current


async def enter(request: Request[Any, Any, Any]) -> None:
    """What goes before every handler of the API proper.

    Neither a middleware nor a guard: the framework has two more layers around the one and copies
    the whole route for the other, which every request would pay for.
    """
    await authenticate(request)
    await check_query(request)


def _cors(settings: Settings) -> CORSConfig | None:
    """Pages of the origins in the settings may call the API; a key is sent, never a cookie."""
    if not settings.api.allowed_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.api.allowed_origins),
        allow_headers=[
            *("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"),
            *("X-Request-ID", "Traceparent"),
        ],
        expose_headers=["X-Request-ID", "Traceresponse", "Idempotency-Replayed", "Location"],
    )


def create_app(settings: Settings | None = None) -> Litestar:
    """The app; stores are opened when it starts, and it starts without them."""
    settings = settings or current()

    @contextlib.asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        services = app.state.services = Services(settings)
        async with services.running():
            yield

    def provided() -> Services:
        return app.state.services

    v1 = Router(
        PREFIX,
        route_handlers=[
            WorkloadController,
            JobController,
            events.events,
            report.report,
            report.of_job,
            report.latest,
            BatchController,
            AgentController,
            PipelineController,
            SupplyController,
            DeadLetterController,
            whoami.whoami,
            whoami.issue,
        ],
        before_request=enter,
    )
    app = Litestar(
        route_handlers=[v1, health.health, health.ready, metrics_route.show, socket.follow],
        lifespan=[lifespan],
        dependencies={"services": Provide(provided, sync_to_thread=False)},
        before_request=authenticate,
        request_class=Call,
        response_class=Answer,
        exception_handlers={Exception: problems.respond},
        request_max_body_size=settings.api.max_body_bytes,
        cors_config=_cors(settings),
        openapi_config=describe.openapi(),
        logging_config=None,
    )
    describe.add_problems(app)
    app.asgi_handler = observe.Observe(app.asgi_handler)
    return app
