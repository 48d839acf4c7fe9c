"""Leaves a store alone for a while after it did not answer.

A server that hangs costs whoever asks it the whole of a time limit, each time. What Redis is told
is safe in PostgreSQL, so a process asks it again only now and then.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_LENGTH_S = 3.0


class Pause:
    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._end = float("-inf")

    def begin(self) -> None:
        """The store did not answer."""
        self._end = self._now() + _LENGTH_S

    @property
    def on(self) -> bool:
        """Whether the store is left alone now."""
        return self._now() < self._end
