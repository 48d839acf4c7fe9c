"""Whether the API serves, and whether its stores answer. The only routes without a key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from litestar import Response, get

from netra.api.answer import Answer
from netra.api.services import Served, Services
from netra.schemas.health import Health, Readiness, StoreHealth
from netra.store import redis
from netra.store.postgres import checkout

#: A store that has not answered by then is down, seconds.
_PATIENCE_S = 2.0


@get("/health", summary="The process serves", tags=["health"], opt={"open": True})
async def health() -> Health:
    return Health(status="ok")


@get("/health/ready", summary="The stores answer", tags=["health"], opt={"open": True})
async def ready(services: Served) -> Response[Readiness]:
    """503, naming which, when a store does not."""
    stores = await examined(services)
    well = all(store.ok for store in stores.values())
    body = Readiness(status="ok" if well else "unavailable", stores=stores)
    return Answer(body, status_code=200 if well else 503)


async def examined(services: Services) -> dict[str, StoreHealth]:
    """Whether each store answers now: a pooled connection that died since proves nothing."""
    checks = {
        "postgres": _checked(lambda: _postgres(services)),
        "redis": _checked(lambda: redis.ping(services.redis)),
        "clickhouse": _checked(lambda: _clickhouse(services)),
    }
    answers = await asyncio.gather(*checks.values())
    return dict(zip(checks, answers, strict=True))


async def beside_postgres(services: Services) -> dict[str, bool]:
    """Whether Redis and ClickHouse answer; of those that the settings name."""
    asked: dict[str, Callable[[], Awaitable[Any]]] = {"redis": lambda: redis.ping(services.redis)}
    if services.settings.clickhouse.url:
        asked["clickhouse"] = lambda: _clickhouse(services)
    answers = await asyncio.gather(*map(_checked, asked.values()))
    return {store: answer.ok for store, answer in zip(asked, answers, strict=True)}


async def _checked(ask: Callable[[], Awaitable[Any]]) -> StoreHealth:
    begun = time.perf_counter()
    problem = None
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await ask()
    except TimeoutError:
        problem = f"no answer within {_PATIENCE_S:g} s"
    except Exception as e:
        problem = f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else 'no answer'}"
    ms = round((time.perf_counter() - begun) * 1000, 1)
    return StoreHealth(ok=problem is None, ms=ms, problem=problem)


async def _postgres(services: Services) -> None:
    async with checkout(services.pool) as connection:
        await connection.execute("SELECT 1")


async def _clickhouse(services: Services) -> None:
    """Asks over plain HTTP, in a thread: the driver is not loaded for a probe."""
    parts = urlsplit(services.settings.clickhouse.url)
    host = parts.netloc.rpartition("@")[2]
    await asyncio.to_thread(_get, f"{parts.scheme}://{host}/ping")


def _get(url: str) -> None:
    with urlopen(url, timeout=_PATIENCE_S) as answer:
        answer.read()
