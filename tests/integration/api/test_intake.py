"""Jobs share commits without sharing failures; their facts go out, or are left to the scheduler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import msgspec
import psycopg
import pytest

from netra.api.access import Principal
from netra.api.drafting import plan
from netra.api.job import draft
from netra.api.services import Services
from netra.engine import control
from netra.engine.submit import Draft
from netra.errors import Conflict, StoreUnavailable
from netra.schemas.job import JobRequest
from netra.settings import Redis, Settings
from netra.store.postgres import Connection, checkout
from tests.integration.api.conftest import Caller

NOW = datetime.now(UTC)


def drafted(tenant: str, key: str | None = None, priority: int = 5) -> Draft:
    planned = plan(JobRequest(stages=({"agent": "noop"},), priority=priority), NOW)
    principal = Principal(tenant_id=tenant, key_name="test", key_hash="")
    return draft(planned, principal, None, "00-trace", key=key)


def on(settings: Settings, action: Callable[[Services], Awaitable[None]]) -> None:
    async def run() -> None:
        services = Services(settings)
        async with services.running():
            await action(services)

    asyncio.run(run())


def test_jobs_that_come_at_once_are_each_written_once(
    api_settings: Settings, caller: Caller, pg: Connection
) -> None:
    async def action(services: Services) -> None:
        drafts = [drafted(caller.tenant) for _ in range(300)]
        answers = await asyncio.gather(*map(services.intake.submit, drafts))
        assert len({answer.id for answer in answers}) == 300
        assert all(answer.created for answer in answers)

    on(api_settings, action)
    row = pg.execute(
        "SELECT count(*) AS n FROM jobs WHERE tenant_id = %s", [caller.tenant]
    ).fetchone()
    assert row == {"n": 300}


def test_those_who_come_together_share_a_commit(
    api_settings: Settings, caller: Caller, pg: Connection
) -> None:
    async def action(services: Services) -> None:
        async def after(turns: int) -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            await services.intake.submit(drafted(caller.tenant))

        await asyncio.gather(*map(after, range(20)))

    on(api_settings, action)
    row = pg.execute(
        "SELECT count(*) AS jobs, count(DISTINCT xmin::text) < 4 AS shared FROM jobs"
        " WHERE tenant_id = %s",
        [caller.tenant],
    ).fetchone()
    assert row == {"jobs": 20, "shared": True}


def test_a_commit_that_waits_for_another_holds_up_nobody_else(
    api_settings: Settings, caller: Caller
) -> None:
    async def action(services: Services) -> None:
        async with services.intake.transaction() as entry:
            (first,) = await entry.submit([drafted(caller.tenant, key="k")])
            same = asyncio.create_task(services.intake.submit(drafted(caller.tenant, key="k")))
            await asyncio.sleep(0.1)
            async with asyncio.timeout(30):
                others = [services.intake.submit(drafted(caller.tenant)) for _ in range(3)]
                assert all(answer.created for answer in await asyncio.gather(*others))
            assert not same.done()
        assert (await same).id == first.id

    on(api_settings, action)


def test_a_connection_that_the_server_closed_is_not_handed_out(
    api_settings: Settings, caller: Caller, pg: Connection
) -> None:
    async def action(services: Services) -> None:
        for _ in range(3):
            await services.intake.submit(drafted(caller.tenant))
            pg.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'netra-api' AND pid <> pg_backend_pid()"
            )
        assert (await services.intake.submit(drafted(caller.tenant))).created

    on(api_settings, action)


def test_no_request_fails_because_many_connections_were_closed(
    api_settings: Settings, caller: Caller, pg: Connection
) -> None:
    async def action(services: Services) -> None:
        async with AsyncExitStack() as held:
            # As after a busy hour.
            for _ in range(8):
                await held.enter_async_context(checkout(services.pool))
        pg.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'netra-api' AND pid <> pg_backend_pid()"
        )
        assert (await services.intake.submit(drafted(caller.tenant))).created

    on(api_settings, action)


def test_a_job_that_cannot_be_written_fails_alone(api_settings: Settings, caller: Caller) -> None:
    async def action(services: Services) -> None:
        drafts = [drafted("no such tenant" if i == 7 else caller.tenant) for i in range(20)]
        answers = await asyncio.gather(*map(services.intake.submit, drafts), return_exceptions=True)
        assert isinstance(answers[7], psycopg.errors.ForeignKeyViolation)
        others = [a for i, a in enumerate(answers) if i != 7]
        assert not any(isinstance(a, BaseException) for a in others)

    on(api_settings, action)


def test_the_same_key_at_once_makes_one_job(api_settings: Settings, caller: Caller) -> None:
    async def action(services: Services) -> None:
        drafts = [drafted(caller.tenant, key="k") for _ in range(50)]
        answers = await asyncio.gather(*map(services.intake.submit, drafts))
        assert len({answer.id for answer in answers}) == 1
        assert sum(answer.created for answer in answers) == 1
        with pytest.raises(Conflict):
            await services.intake.submit(drafted(caller.tenant, key="k", priority=6))

    on(api_settings, action)


def test_a_database_that_is_away_is_told_to_everybody(api_settings: Settings) -> None:
    database = msgspec.structs.replace(
        api_settings.database, url="postgresql://nobody@127.0.0.1:1/none", connect_timeout_s=0.2
    )

    async def action(services: Services) -> None:
        answers = await asyncio.gather(
            *(services.intake.submit(drafted("t")) for _ in range(5)), return_exceptions=True
        )
        assert all(isinstance(answer, StoreUnavailable) for answer in answers)

    on(msgspec.structs.replace(api_settings, database=database), action)


def test_what_is_submitted_waits_for_nobody_to_be_told(
    api_settings: Settings, caller: Caller, pg: Connection
) -> None:
    """Nobody can follow a job before its transaction ends: who follows it then reads the record."""
    away = msgspec.structs.replace(api_settings, redis=Redis(url="redis://127.0.0.1:1/0"))

    async def action(services: Services) -> None:
        await services.intake.submit(drafted(caller.tenant))

    on(away, action)
    facts = pg.execute("SELECT kind FROM facts WHERE tenant_id = %s", [caller.tenant]).fetchall()
    assert facts == [{"kind": "job.queued"}]
    assert outbox(pg, caller.tenant) == 0


def outbox(pg: Connection, tenant: str) -> int:
    row = pg.execute(
        "SELECT count(*) AS n FROM outbox WHERE facts->0->>'tenant_id' = %s", [tenant]
    ).fetchone()
    assert row is not None
    return row["n"]


def test_facts_that_went_out_are_struck_off(
    api_settings: Settings, caller: Caller, pg: Connection
) -> None:
    async def action(services: Services) -> None:
        for _ in range(2):
            submitted = await services.intake.submit(drafted(caller.tenant))
            async with checkout(services.pool) as connection:
                facts = await control.cancel(connection, caller.tenant, submitted.id)
            services.outgoing.send(facts)
            async with asyncio.timeout(30):
                while outbox(pg, caller.tenant):
                    await asyncio.sleep(0.02)
        submitted = await services.intake.submit(drafted(caller.tenant))
        async with checkout(services.pool) as connection:
            services.outgoing.send(await control.cancel(connection, caller.tenant, submitted.id))

    on(api_settings, action)
    # What was waiting when the process ended went out as well.
    assert outbox(pg, caller.tenant) == 0


def test_facts_that_did_not_go_out_are_left_to_the_scheduler(
    api_settings: Settings, caller: Caller, pg: Connection
) -> None:
    away = msgspec.structs.replace(api_settings, redis=Redis(url="redis://127.0.0.1:1/0"))

    async def action(services: Services) -> None:
        submitted = await services.intake.submit(drafted(caller.tenant))
        async with checkout(services.pool) as connection:
            services.outgoing.send(await control.cancel(connection, caller.tenant, submitted.id))
        await asyncio.sleep(0.3)

    on(away, action)
    assert outbox(pg, caller.tenant) > 0
