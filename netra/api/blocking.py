"""Threads for blocking work, so that the event loop is never held up; and a bound on the queue."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from netra.errors import NetraError
from netra.settings import Api

P = ParamSpec("P")
T = TypeVar("T")


class TooBusy(NetraError):
    """Too much work is waiting; try again in a while."""

    status = 503
    slug = "too-busy"


class BlockingWork:
    def __init__(self, settings: Api) -> None:
        self.workers = settings.async_max_workers
        self.waiting = settings.async_pool_size
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="api-work")
        self._under_way = 0

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `work` in a thread; the log context goes with it.

        A caller that goes away does not stop it: what it writes is whole or not there at all.

        Raises:
            TooBusy: as many pieces of work as may wait are waiting.
        """
        if self._under_way >= self.workers + self.waiting:
            raise TooBusy(f"{self._under_way} uploads are under way; try again in a while")
        context = contextvars.copy_context()
        self._under_way += 1
        future = asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: context.run(work, *args, **kwargs)
        )
        future.add_done_callback(self._done)
        return await asyncio.shield(future)

    def _done(self, future: asyncio.Future[T]) -> None:
        self._under_way -= 1
        if not future.cancelled():
            future.exception()  # it was raised to the caller, if that was still there

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
