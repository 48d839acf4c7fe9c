"""Facts sent as a worker sends them, and waited for."""

from __future__ import annotations

from collections.abc import Sequence

import redis
from redis.exceptions import RedisError

from netra.progress.line import Line
from netra.progress.publish import commands
from netra.settings import Progress
from netra.store.queue import FactMessage


def publish(client: redis.Redis, facts: Sequence[FactMessage], settings: Progress) -> bool:
    """Whether Redis has them; False if it is away."""
    line = Line(client)
    try:
        line.say(commands(facts, settings))
        line.confirm()
    except (RedisError, OSError):
        return False
    # For whoever is next: the connection goes back to its pool.
    line.hang_up()
    return True
