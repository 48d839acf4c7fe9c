"""Tasks end, even those that swallow a cancellation."""

from __future__ import annotations

import asyncio

from netra.progress.background import end


def test_a_task_that_swallows_a_cancellation_is_cancelled_again() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(60)

    async def broken() -> None:
        raise ValueError

    async def run() -> None:
        tasks = [asyncio.create_task(stubborn()), asyncio.create_task(broken())]
        await asyncio.sleep(0)
        async with asyncio.timeout(2):
            await end(tasks)
        assert all(task.done() for task in tasks)
        await end([])

    asyncio.run(run())
