"""Each fact once and in order, whatever the broadcast does; bounded memory for slow clients."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from netra.errors import NotFound, StoreUnavailable
from netra.progress.follow import Ended
from netra.progress.message import Position
from tests.unit.progress.following import (
    TENANT,
    World,
    content,
    nothing,
    seqs,
    settled,
    take,
    world,
)


def test_what_was_missed_comes_first_then_what_comes() -> None:
    async def run() -> None:
        async with world() as w:
            for _ in range(3):
                w.happen("j")
            follower = w.follower()
            joined = await follower.follow_job("j", 1, 1)
            assert joined.head == (1, 3)
            w.happen("j")
            assert seqs(await take(follower, 3)) == [(1, 2), (1, 3), (1, 4)]
            w.happen("j")
            assert seqs(await take(follower, 1)) == [(1, 5)]
            assert await nothing(follower)

    asyncio.run(run())


def test_a_job_with_more_facts_than_are_read_at_once_is_told_from_its_first() -> None:
    async def run() -> None:
        async with world(reconcile_s=1000) as w:
            for _ in range(25):
                w.happen("j")
            follower = w.follower(limit=10)
            await follower.follow_job("j", 0, None)
            assert follower.queued == 10
            assert seqs(await take(follower, 25)) == [(1, i) for i in range(1, 26)]
            w.happen("j")
            assert seqs(await take(follower, 1)) == [(1, 26)]
            assert await nothing(follower)

    asyncio.run(run())


@pytest.mark.parametrize("epoch", [0, None, 1, 2])
def test_a_job_is_told_from_its_first_fact_whatever_epoch_is_named(epoch: int | None) -> None:
    async def run() -> None:
        async with world(reconcile_s=1000) as w:
            for _ in range(3):
                w.happen("j")
            follower = w.follower()
            joined = await follower.follow_job("j", 0, epoch)
            assert joined.position == (1, 0)
            assert joined.ahead is (epoch == 2)
            assert seqs(await take(follower, 3)) == [(1, 1), (1, 2), (1, 3)]
            assert await nothing(follower)

    asyncio.run(run())


def test_a_client_that_takes_nothing_and_follows_ever_more_holds_no_more_memory() -> None:
    async def run() -> None:
        async with world(reconcile_s=1000) as w:
            follower = w.follower(limit=10)
            for n in range(50):
                for _ in range(6):
                    w.happen(f"j{n}")
                await follower.follow_job(f"j{n}", 0, None)
                await follower.follow_job("j0", 0, None)
            assert follower.queued <= 2 * follower.limit
            missing = {(f"j{n}", seq) for n in range(50) for seq in range(1, 7)}
            while missing:
                (message,) = await take(follower, 1)
                missing.discard((message.job_id, message.seq))

    asyncio.run(run())


def test_facts_that_come_while_joining_are_neither_lost_nor_doubled() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            follower = w.follower()
            joining = asyncio.create_task(follower.follow_job("j", 0, None))
            for _ in range(20):
                w.happen("j")
                await asyncio.sleep(0)
            await joining
            assert seqs(await take(follower, 21)) == [(1, i) for i in range(1, 22)]
            assert await nothing(follower)

    asyncio.run(run())


@pytest.mark.parametrize(("limit", "reads"), [(256, 0), (3, 1)])
def test_what_comes_while_joining_is_kept_as_far_as_there_is_room(limit: int, reads: int) -> None:
    async def run() -> None:
        async with world(reconcile_s=1000) as w:
            w.happen("j")
            follower = w.follower(limit=limit)
            answered = slow_to_begin(w)
            joining = asyncio.create_task(follower.follow_job("j", 0, None))
            await settled()
            for _ in range(6):
                w.happen("j")
            await settled()
            answered.set()
            await joining
            assert seqs(await take(follower, 7)) == [(1, i) for i in range(1, 8)]
            assert min(w.record.reads, 1) == reads
            assert await nothing(follower)

    asyncio.run(run())


def test_what_finds_no_room_while_joining_is_missed_even_if_all_that_is_kept_is_known() -> None:
    async def run() -> None:
        async with world(reconcile_s=1000) as w:
            w.happen("j")
            follower = w.follower(limit=8)
            begin, asked, answered = w.record.begin, asyncio.Event(), asyncio.Event()

            async def slow(*args: Any) -> Any:
                await asked.wait()
                found = await begin(*args)
                await answered.wait()
                return found

            w.record.begin = slow  # type: ignore[method-assign]
            joining = asyncio.create_task(follower.follow_job("j", 0, None))
            await settled()
            # The record knows these, and the last of them takes the place of those that follow.
            for _ in range(7):
                w.happen("j")
            w.publish(w.record.facts["j"][-1])
            w.publish(w.record.facts["j"][-1])
            await settled()
            asked.set()
            await settled()
            w.happen("j")
            await settled()
            answered.set()
            await joining
            assert seqs(await take(follower, 9)) == [(1, i) for i in range(1, 10)]

    asyncio.run(run())


def test_what_comes_while_following_again_fails_is_told_all_the_same() -> None:
    async def run() -> None:
        async with world(reconcile_s=1000) as w:
            w.happen("j")
            follower = w.follower()
            await follower.follow_job("j", 1, 1)
            answered = slow_to_begin(w, StoreUnavailable())
            again = asyncio.create_task(follower.follow_job("j", 0, None))
            await settled()
            w.happen("j")
            await settled()
            answered.set()
            with pytest.raises(StoreUnavailable):
                await again
            assert seqs(await take(follower, 1)) == [(1, 2)]

    asyncio.run(run())


def slow_to_begin(w: World, error: Exception | None = None) -> asyncio.Event:
    """The record answers whoever joins, or fails, once the event is set."""
    answered, begin = asyncio.Event(), w.record.begin

    async def slow(*args: Any) -> Any:
        found = await begin(*args)
        await answered.wait()
        if error is not None:
            raise error
        return found

    w.record.begin = slow  # type: ignore[method-assign]
    return answered


def test_repeated_and_reordered_messages_make_no_difference() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            follower = w.follower()
            await follower.follow_job("j", 1, 1)
            facts = [w.happen("j", publish=False) for _ in range(6)]
            for i in (2, 0, 0, 5, 1, 4, 3, 3, 2):
                w.publish(facts[i])
                await asyncio.sleep(0)
            assert seqs(await take(follower, 6)) == [(1, i) for i in range(2, 8)]
            assert await nothing(follower)

    asyncio.run(run())


def test_a_lost_message_is_found_in_the_record() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            follower = w.follower()
            await follower.follow_job("j", 1, 1)
            w.happen("j", publish=False)
            assert seqs(await take(follower, 1)) == [(1, 2)]

    asyncio.run(run())


def test_a_cut_broadcast_loses_nothing() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            follower = w.follower()
            await follower.follow_job("j", 1, 1)
            w.bus.cut()
            for _ in range(3):
                w.happen("j")
            assert seqs(await take(follower, 3)) == [(1, 2), (1, 3), (1, 4)]
            w.bus.mend()
            await asyncio.sleep(0.3)
            w.happen("j")
            w.happen("j")
            assert seqs(await take(follower, 2)) == [(1, 5), (1, 6)]
            assert await nothing(follower)

    asyncio.run(run())


def test_a_new_epoch_is_told_from_its_first_fact_after_the_rest_of_the_old_one() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            w.happen("j", "job.failed")
            follower = w.follower()
            await follower.follow_job("j", 1, 1)
            w.happen("j", "job.queued", epoch=2)
            w.happen("j", "job.started", epoch=2)
            assert seqs(await take(follower, 3)) == [(1, 2), (2, 1), (2, 2)]

    asyncio.run(run())


def test_without_an_epoch_the_current_one_is_meant() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j", "job.failed")
            w.happen("j", "job.queued", epoch=2)
            follower = w.follower()
            await follower.follow_job("j", 0, None)
            assert seqs(await take(follower, 1)) == [(2, 1)]
            assert await nothing(follower)

    asyncio.run(run())


def test_a_position_that_was_never_reached_is_told_and_the_epoch_sent_whole() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            w.happen("j")
            follower = w.follower()
            joined = await follower.follow_job("j", 99, 1)
            assert joined.ahead
            assert joined.position == Position(1, 0)
            assert seqs(await take(follower, 2)) == [(1, 1), (1, 2)]

    asyncio.run(run())


def test_a_slow_client_is_caught_up_and_holds_nobody_back() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            slow, quick = w.follower(limit=10), w.follower()
            await slow.follow_job("j", 1, 1)
            await quick.follow_job("j", 1, 1)
            for _ in range(500):
                w.happen("j")
            assert seqs(await take(quick, 500)) == [(1, i) for i in range(2, 502)]
            assert len(slow._facts) <= 10
            got = []
            while len(got) < 500:
                got += await take(slow, 1)
                assert len(slow._facts) <= 20
            assert seqs(got) == [(1, i) for i in range(2, 502)]
            w.happen("j")
            assert seqs(await take(slow, 1)) == [(1, 502)]

    asyncio.run(run())


def test_ticks_of_a_stage_are_coalesced_and_end_with_it() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            follower = w.follower()
            await follower.follow_job("j", 1, 1)
            for i in range(10):
                w.tick("j", "a", i / 10)
                w.tick("j", "b", i / 20)
            await settled()
            got = {content(m)["stage"]: content(m)["fraction"] for m in await take(follower, 2)}
            assert got == {"a": 0.9, "b": 0.45}
            w.tick("j", "a", 0.95)
            await settled()
            fact = w.record.add("j", "stage.succeeded", stage="a")
            w.publish(fact)
            await settled()
            assert [m.kind for m in await take(follower, 1)] == ["stage.succeeded"]
            assert await nothing(follower)

    asyncio.run(run())


def test_answers_go_ahead_of_facts_and_wait_for_room() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            follower = w.follower(limit=2)
            await follower.follow_job("j", 0, 1)
            await follower.say(b"1", b"2")
            third = asyncio.create_task(follower.say(b"3"))
            await settled()
            assert not third.done()
            first = await take(follower, 1)
            await settled()
            assert third.done()
            rest = await take(follower, 3)
            assert [m.raw for m in first + rest[:2]] == [b"1", b"2", b"3"]
            assert seqs(rest[2:]) == [(1, 1)]

    asyncio.run(run())


def test_another_tenants_job_is_not_there_and_its_facts_never_come() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            stranger = w.follower(tenant="evil")
            with pytest.raises(NotFound):
                await stranger.follow_job("j", 0, None)
            w.happen("j")
            assert await nothing(stranger)
            assert not w.hub._listeners

    asyncio.run(run())


def test_what_is_left_is_no_longer_told_of() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            w.happen("k")
            follower = w.follower()
            await follower.follow_job("j", 1, 1)
            await follower.follow_job("k", 1, 1)
            await follower.leave_job("j")
            w.happen("j")
            w.happen("k")
            assert [m.job_id for m in await take(follower, 1)] == ["k"]
            assert await nothing(follower)
            await follower.close()
            assert not w.hub._listeners
            assert not follower.positions

    asyncio.run(run())


def test_following_again_from_an_earlier_position_tells_it_again() -> None:
    async def run() -> None:
        async with world() as w:
            for _ in range(4):
                w.happen("j")
            follower = w.follower()
            await follower.follow_job("j", 3, 1)
            assert seqs(await take(follower, 1)) == [(1, 4)]
            await follower.follow_job("j", 1, 1)
            assert seqs(await take(follower, 3)) == [(1, 2), (1, 3), (1, 4)]

    asyncio.run(run())


def test_a_record_that_is_away_is_asked_again() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            follower = w.follower()
            await follower.follow_job("j", 1, 1)
            after, failures = w.record.after, 2

            async def flaky(*args: object) -> object:
                nonlocal failures
                failures -= 1
                if failures >= 0:
                    raise StoreUnavailable
                return await after(*args)  # type: ignore[arg-type]

            w.record.after = flaky  # type: ignore[method-assign, assignment]
            w.happen("j", publish=False)
            assert seqs(await take(follower, 1)) == [(1, 2)]
            assert failures < 0

    asyncio.run(run())


def test_a_batch_tells_where_its_jobs_stand_then_what_comes_of_each() -> None:
    async def run() -> None:
        async with world() as w:
            w.record.batches["b"] = ["j", "k"]
            for job in ("j", "k"):
                w.happen(job)
                w.happen(job)
            follower = w.follower()
            seen = {"k": Position(1, 1)}
            await follower.follow_batch("b", seen, lambda heads: [str(len(heads)).encode()])
            assert [m.raw for m in await take(follower, 1)] == [b"2"]
            assert [(m.job_id, m.seq) for m in await take(follower, 1)] == [("k", 2)]
            w.happen("j", batch="b")
            w.happen("k", batch="b", publish=False)
            got = [(m.job_id, m.seq) for m in await take(follower, 2)]
            assert sorted(got) == [("j", 3), ("k", 3)]
            assert await nothing(follower)

    asyncio.run(run())


@pytest.mark.parametrize("publish", [True, False])
def test_a_job_added_to_a_followed_batch_is_told_from_its_start(publish: bool) -> None:
    async def run() -> None:
        async with world() as w:
            w.record.batches["b"] = ["j"]
            w.happen("j")
            follower = w.follower()
            await follower.follow_batch("b", {}, lambda heads: [])
            w.record.batches["b"].append("new")
            w.happen("new", "job.queued", publish=False)
            w.happen("new", "job.started", batch="b", publish=publish)
            got = await take(follower, 2)
            assert [(m.job_id, m.seq) for m in got] == [("new", 1), ("new", 2)]

    asyncio.run(run())


def test_facts_that_come_while_a_batch_is_joined_come_after_what_it_is_told() -> None:
    async def run() -> None:
        async with world() as w:
            w.record.batches["b"] = ["j"]
            w.happen("j")
            heads_of = w.record.batch_heads

            async def late(tenant: str, batch: str) -> object:
                heads = await heads_of(tenant, batch)
                w.happen("j", batch="b")
                w.record.batches["b"].append("new")
                w.happen("new", batch="b")
                await settled()
                return heads

            w.record.batch_heads = late  # type: ignore[method-assign, assignment]
            follower = w.follower()
            await follower.follow_batch("b", {}, lambda heads: [b"told"])
            w.record.batch_heads = heads_of  # type: ignore[method-assign]
            got = await take(follower, 3)
            assert got[0].raw == b"told"
            assert sorted((m.job_id, m.seq) for m in got[1:]) == [("j", 2), ("new", 1)]
            assert await nothing(follower)

    asyncio.run(run())


def test_another_tenants_batch_is_not_there() -> None:
    async def run() -> None:
        async with world() as w:
            w.record.batches["b"] = ["j"]
            w.happen("j")
            with pytest.raises(NotFound):
                await w.follower(tenant="evil").follow_batch("b", {}, lambda heads: [])
            assert not w.hub._listeners

    asyncio.run(run())


def test_a_job_followed_alone_and_in_its_batch_is_told_once() -> None:
    async def run() -> None:
        async with world() as w:
            w.record.batches["b"] = ["j"]
            w.happen("j")
            follower = w.follower()
            await follower.follow_job("j", 1, 1)
            await follower.follow_batch("b", {}, lambda heads: [])
            w.happen("j", batch="b")
            assert seqs(await take(follower, 1)) == [(1, 2)]
            assert await nothing(follower)
            await follower.leave_job("j")
            w.happen("j", batch="b")
            assert seqs(await take(follower, 1)) == [(1, 3)]

    asyncio.run(run())


def test_many_followers_share_a_channel_and_one_query() -> None:
    async def run() -> None:
        async with world(reconcile_s=10) as w:
            w.happen("j")
            followers = [w.follower() for _ in range(50)]
            for follower in followers:
                await follower.follow_job("j", 1, 1)
            assert list(w.hub._listeners) == [f"netra:{TENANT}:job:j"]
            reads = w.record.reads
            for _ in range(5):
                w.happen("j")
            for follower in followers:
                assert seqs(await take(follower, 5)) == [(1, i) for i in range(2, 7)]
            assert w.record.reads == reads

    asyncio.run(run())


def test_a_process_that_goes_sends_its_followers_away_with_what_is_queued() -> None:
    async def run() -> None:
        async with world() as w:
            w.happen("j")
            follower = w.follower()
            await follower.follow_job("j", 0, 1)
            waiting = asyncio.create_task(take(follower, 2))
            await settled()
            w.hub.end()
            with pytest.raises(Ended):
                await waiting

    asyncio.run(run())
