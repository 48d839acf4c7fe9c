"""Followers on real stores: nothing is lost to a flush, an outage or a hung server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec

from netra.progress.broadcast import RedisBroadcast
from netra.progress.channels import job_channel, job_stream
from netra.progress.follow import Follower
from netra.progress.hub import Hub
from netra.progress.message import Position
from netra.progress.publish import public
from netra.progress.replay import PostgresRecord, StreamRecent
from netra.settings import Settings
from netra.store import postgres, redis
from tests.integration.bench import Bench
from tests.integration.publishing import publish
from tests.integration.valkey import Valkey


@asynccontextmanager
async def hub_on(settings: Settings) -> AsyncIterator[Hub]:
    pool = postgres.pool(settings.database, "test-hub")
    await pool.open()
    client = redis.connect_async(settings.redis)
    broadcast = RedisBroadcast(settings.redis)
    broadcast.ping_s = 0.5
    hub = Hub(broadcast, PostgresRecord(pool), settings.progress, StreamRecent(client))
    hub.start()
    try:
        yield hub
    finally:
        await hub.close()
        await client.aclose()
        await pool.close()


async def numbers(follower: Follower, n: int, within_s: float = 30.0) -> list[int]:
    async with asyncio.timeout(within_s):
        return [(await follower.next()).seq for _ in range(n)]


async def silent(follower: Follower, for_s: float = 0.3) -> bool:
    try:
        async with asyncio.timeout(for_s):
            await follower.next()
    except TimeoutError:
        return True
    return False


class Scene:
    """A job whose transitions are made and published one by one, and a follower of it."""

    def __init__(self, bench: Bench, valkey: Valkey, settings: Settings) -> None:
        self.bench = bench
        self.valkey = valkey
        self.settings = settings
        bench.slots(1)
        self.job = bench.submit({"name": "a"}, {"name": "b", "after": ["a"]})
        self.said = 0

    def publish(self) -> None:
        """Sends what became true since the last time; nobody minds if that fails."""
        new, self.said = self.bench.facts[self.said :], len(self.bench.facts)
        publish(self.valkey.client, new, self.settings.progress)

    async def step(self) -> None:
        """Runs one stage: four facts or five, the last one six."""
        await asyncio.to_thread(lambda: self.bench.complete(self.bench.started()))
        await asyncio.to_thread(self.publish)

    def last(self) -> int:
        return self.bench.job(self.job)["seq"]


def play(
    bench: Bench,
    valkey: Valkey,
    settings: Settings,
    action: Callable[[Scene, Follower], Awaitable[None]],
) -> None:
    """Follows a job through `action`, which leaves it ended: every fact came once, in order."""

    async def run() -> None:
        scene = Scene(bench, valkey, settings)
        async with hub_on(settings) as hub:
            while not hub._connected:
                await asyncio.sleep(0.01)
            follower = Follower(hub, "default")
            await follower.follow_job(str(scene.job), 0, None)
            assert await numbers(follower, 1) == [1]
            await action(scene, follower)
            assert bench.job(scene.job)["state"] == "succeeded"
            assert await silent(follower)
            await follower.close()

    asyncio.run(run())


def test_facts_come_live(bench: Bench, valkey: Valkey, progress_settings: Settings) -> None:
    # Nothing looks into PostgreSQL before the test would be over.
    rarely = msgspec.structs.replace(progress_settings.progress, reconcile_s=1000)
    settings = msgspec.structs.replace(progress_settings, progress=rarely)

    async def action(scene: Scene, follower: Follower) -> None:
        await scene.step()
        first = scene.last()
        assert await numbers(follower, first - 1) == list(range(2, first + 1))
        await scene.step()
        rest = list(range(first + 1, scene.last() + 1))
        assert await numbers(follower, len(rest)) == rest

    play(bench, valkey, settings, action)


def test_a_flush_loses_nothing(bench: Bench, valkey: Valkey, progress_settings: Settings) -> None:
    async def action(scene: Scene, follower: Follower) -> None:
        await scene.step()
        valkey.client.flushall()
        await scene.step()
        rest = list(range(2, scene.last() + 1))
        assert await numbers(follower, len(rest)) == rest

    play(bench, valkey, progress_settings, action)


def test_an_outage_of_five_seconds_is_bridged_by_the_check(
    bench: Bench, valkey: Valkey, progress_settings: Settings
) -> None:
    async def action(scene: Scene, follower: Follower) -> None:
        valkey.kill()
        begun = asyncio.get_running_loop().time()
        await scene.step()
        first = scene.last()
        # The check finds them in PostgreSQL while Redis is away.
        assert await numbers(follower, first - 1) == list(range(2, first + 1))
        await asyncio.sleep(max(0, begun + 5 - asyncio.get_running_loop().time()))
        await asyncio.to_thread(valkey.start)
        # And it is listened to again once it is back.
        channel = job_channel("default", str(scene.job))
        async with asyncio.timeout(30):
            while dict(valkey.client.pubsub_numsub(channel))[channel.encode()] == 0:
                await asyncio.sleep(0.02)
        await scene.step()
        rest = list(range(first + 1, scene.last() + 1))
        assert await numbers(follower, len(rest)) == rest

    play(bench, valkey, progress_settings, action)


def test_a_server_that_hangs_holds_nobody_up(
    bench: Bench, valkey: Valkey, progress_settings: Settings
) -> None:
    async def action(scene: Scene, follower: Follower) -> None:
        valkey.hang()
        try:
            await asyncio.to_thread(lambda: bench.complete(bench.started()))
            first = scene.last()
            assert await numbers(follower, first - 1) == list(range(2, first + 1))
            # Whoever comes now is served from PostgreSQL as well.
            late = Follower(follower.hub, "default")
            async with asyncio.timeout(30):
                await late.follow_job(str(scene.job), 0, None)
            assert await numbers(late, first) == list(range(1, first + 1))
            await late.close()
        finally:
            valkey.go_on()
        scene.publish()
        await scene.step()
        rest = list(range(first + 1, scene.last() + 1))
        assert await numbers(follower, len(rest)) == rest

    play(bench, valkey, progress_settings, action)


def test_a_retry_begins_its_epoch_anew(
    bench: Bench, valkey: Valkey, progress_settings: Settings
) -> None:
    async def action(scene: Scene, follower: Follower) -> None:
        bench.stop(scene.job)
        ended = scene.last()
        bench.retry(scene.job)
        scene.publish()
        await scene.step()
        await scene.step()
        expected = [*range(2, ended + 1), *range(1, scene.last() + 1)]
        assert await numbers(follower, len(expected)) == expected

    play(bench, valkey, progress_settings, action)


def test_the_stream_is_believed_only_when_it_is_whole(
    bench: Bench, valkey: Valkey, progress_settings: Settings
) -> None:
    async def run() -> None:
        scene = Scene(bench, valkey, progress_settings)
        job = str(scene.job)
        bench.complete(bench.started())
        client = redis.connect_async(progress_settings.redis)
        recent = StreamRecent(client)
        head = Position(1, scene.last())
        first = Position(1, 1)
        # Nobody published: the stream is empty.
        assert await recent.between("default", job, first, head) is None
        facts = list(bench.facts)
        for fact in (facts[1], facts[0], facts[1], facts[3]):
            valkey.client.xadd(job_stream("default", job), {"fact": public(fact)})
        # There is a hole.
        assert await recent.between("default", job, first, head) is None
        valkey.client.xadd(job_stream("default", job), {"fact": public(facts[2])})
        found = await recent.between("default", job, first, head)
        assert found is not None
        assert [m.seq for m in found] == list(range(2, head.seq + 1))
        # An entry holds what one transaction told.
        valkey.client.delete(job_stream("default", job))
        for together in ([facts[0]], [facts[1], facts[2]], [facts[3]]):
            publish(valkey.client, together, progress_settings.progress)
        assert await recent.between("default", job, first, head) == found
        # Another tenant's stream, another epoch, a server that is away.
        assert await recent.between("other", job, Position(1, 1), head) is None
        assert await recent.between("default", job, Position(1, 1), Position(2, 1)) is None
        valkey.hang()
        assert await recent.between("default", job, Position(1, 1), head) is None
        valkey.go_on()
        await client.aclose()

    asyncio.run(run())
