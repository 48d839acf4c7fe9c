"""Facts sent as a worker sends them, and waited for."""

from __future__ import annotations

from collections.abc import Sequence

import redis

from netra.progress.line import Line
from netra.progress.publish import commands
from netra.settings import Progress
from netra.store.queue import FactMessage


def publish(client: redis.Redis, facts: Sequence[FactMessage], settings: Progress) -> bool:
    """Whether Redis has them; False if it is away."""
    if not facts:
        return True
    line: Line[bool] = Line(client, "facts")
    try:
        return line.say(commands(facts, settings), True) and line.confirmed(within_s=5) == [True]
    finally:
        line.close()
