"""Readiness says whether stores answer now, whatever died in a pool since it was asked last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from netra.api import health
from netra.api.services import Services
from netra.schemas.health import StoreHealth
from netra.settings import Settings
from netra.store import operating
from netra.store.postgres import Connection
from tests.integration.valkey import Valkey, valkey

__all__ = ["valkey"]


@asynccontextmanager
async def services_on(settings: Settings, valkey: Valkey) -> AsyncIterator[Services]:
    """With two idle connections to each store in its pool."""
    services = Services(msgspec.structs.replace(settings, redis=valkey.settings))
    await services.pool.open(wait=True)
    try:
        await asyncio.gather(services.redis.ping(), services.redis.ping())
        yield services
    finally:
        await services.redis.aclose()
        await services.pool.close()


async def asked(services: Services, store: str) -> StoreHealth:
    return (await health.examined(services))[store]


def there(pg: Connection, pid: int) -> bool:
    found = pg.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
    return found is not None


def test_a_valkey_that_was_started_anew_answers(api_settings: Settings, valkey: Valkey) -> None:
    async def scenario() -> None:
        async with services_on(api_settings, valkey) as services:
            valkey.kill()
            await asyncio.to_thread(valkey.start)
            for _ in range(3):
                assert (await asked(services, "redis")).problem is None
            valkey.kill()
            away = await asked(services, "redis")
            assert away.problem
            assert away.problem.startswith("ConnectionError")
            await asyncio.to_thread(valkey.start)
            assert (await health.beside_postgres(services))["redis"]

    asyncio.run(scenario())


def test_connections_that_postgresql_closed_are_not_its_answer(
    api_settings: Settings, valkey: Valkey, pg: Connection
) -> None:
    async def scenario() -> None:
        async with services_on(api_settings, valkey) as services:
            async with services.pool.connection() as one, services.pool.connection() as other:
                pids = [one.info.backend_pid, other.info.backend_pid]
            for pid in pids:
                assert operating.end_sessions(pg, pid=pid) == [pid]
            # It was told to go, and goes a moment later.
            while any(there(pg, pid) for pid in pids):
                await asyncio.sleep(0.01)
            for _ in range(3):
                assert (await asked(services, "postgres")).problem is None

    asyncio.run(scenario())
