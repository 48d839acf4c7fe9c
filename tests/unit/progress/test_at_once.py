"""Messages that a client takes at once: none overtakes what is queued, none is lost or doubled."""

from __future__ import annotations

import asyncio

from tests.unit.progress.following import nothing, seqs, settled, take, world


def test_what_the_client_takes_at_once_is_not_queued() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            follower, way = w.direct()
            await follower.follow_job("j", 1, 1)
            for _ in range(3):
                w.happen("j")
            assert await nothing(follower)
            assert seqs(way.taken) == [(1, 2), (1, 3), (1, 4)]

    asyncio.run(run())


def test_what_it_refuses_is_queued_and_not_overtaken() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            follower, way = w.direct()
            await follower.follow_job("j", 1, 1)
            way.room = False
            w.happen("j")
            await settled()
            way.room = True
            w.happen("j")
            await settled()
            # Seq 2 still waits, so 3 may not go ahead of it.
            assert way.taken == []
            assert seqs(await take(follower, 2)) == [(1, 2), (1, 3)]
            w.happen("j")
            assert await nothing(follower)
            assert seqs(way.taken) == [(1, 4)]

    asyncio.run(run())


def test_a_hole_is_filled_from_the_record_before_what_comes_next() -> None:
    async def run() -> None:
        async with world(reconcile_s=10) as w:
            w.happen("j")
            follower, way = w.direct()
            await follower.follow_job("j", 1, 1)
            w.happen("j", publish=False)
            w.happen("j")
            await settled()
            assert way.taken == []
            assert seqs(await take(follower, 2)) == [(1, 2), (1, 3)]

    asyncio.run(run())


def test_an_answer_goes_before_facts_that_come_after_it() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            follower, way = w.direct()
            await follower.follow_job("j", 1, 1)
            await follower.say(b"pong")
            w.happen("j")
            await settled()
            assert way.taken == []
            assert [m.raw for m in await take(follower, 1)] == [b"pong"]
            assert seqs(await take(follower, 1)) == [(1, 2)]

    asyncio.run(run())


def test_ticks_are_taken_at_once_or_only_the_last_is_kept() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            follower, way = w.direct()
            await follower.follow_job("j", 1, 1)
            w.tick("j", "s", 0.1)
            await settled()
            assert [m.type for m in way.taken] == ["tick"]
            way.room = False
            for fraction in (0.2, 0.3, 0.4):
                w.tick("j", "s", fraction)
            await settled()
            (message,) = await take(follower, 1)
            assert b"0.4" in message.raw
            assert await nothing(follower)

    asyncio.run(run())


def test_a_client_that_takes_nothing_is_kept_little_and_gets_everything_later() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            follower, way = w.direct(limit=4)
            await follower.follow_job("j", 1, 1)
            way.room = False
            for _ in range(40):
                w.happen("j")
            await settled()
            assert follower.queued <= 4
            way.room = True
            assert seqs(await take(follower, 40)) == [(1, i) for i in range(2, 42)]
            assert await nothing(follower)
            w.happen("j")
            assert await nothing(follower)
            assert seqs(way.taken) == [(1, 42)]

    asyncio.run(run())
