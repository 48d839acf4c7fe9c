"""Blocking work runs in threads, and a full queue says so."""

from __future__ import annotations

import asyncio
import threading

import pytest

from netra.api.blocking import BlockingWork, TooBusy
from netra.logging import _bound, bind
from netra.settings import Api


def test_work_runs_beside_the_loop_with_its_log_context() -> None:
    async def run() -> None:
        work = BlockingWork(Api(async_max_workers=1))
        with bind(job_id="j"):
            where = await work.run(threading.current_thread)
            assert where is not threading.current_thread()
            assert await work.run(_bound.get) == {"job_id": "j"}
        with pytest.raises(ZeroDivisionError):
            await work.run(lambda: 1 / 0)
        work.close()

    asyncio.run(run())


def test_more_than_may_wait_is_refused_until_there_is_room() -> None:
    async def run() -> None:
        work = BlockingWork(Api(async_max_workers=2, async_pool_size=1))
        go = threading.Event()
        tasks = [asyncio.create_task(work.run(go.wait, 5)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(TooBusy):
            await work.run(print)
        go.set()
        assert await asyncio.gather(*tasks) == [True] * 3
        assert await work.run(lambda: 1) == 1
        work.close()

    asyncio.run(run())


def test_a_caller_that_goes_away_leaves_the_work_to_end() -> None:
    async def run() -> None:
        work = BlockingWork(Api(async_max_workers=1, async_pool_size=0))
        go, done = threading.Event(), threading.Event()

        def slow() -> None:
            go.wait(5)
            done.set()

        task = asyncio.create_task(work.run(slow))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(TooBusy):
            await work.run(print)
        go.set()
        await asyncio.to_thread(done.wait, 5)
        while work._under_way:
            await asyncio.sleep(0.01)
        assert await work.run(lambda: 1) == 1
        work.close()

    asyncio.run(run())
