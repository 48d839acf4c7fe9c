"""Tasks that run beside the others, and how they are ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

#: A library may swallow a cancellation (redis-py's async client does, now and then, while it
#: reads): the task is cancelled again after this, seconds.
_AGAIN_S = 0.2


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels tasks until they are over, whatever they think of it; their errors are dropped."""
    every = set(tasks)
    pending = {task for task in every if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_S)
    for task in every:
        if not task.cancelled():
            task.exception()
