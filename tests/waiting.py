"""Waiting for what becomes true: by looking, and long enough for a busy machine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable


def until(
    look: Callable[[], object], what: str | Callable[[], str] = "it", within_s: float = 60.0
) -> None:
    """Looks until the answer is true; an error counts as no, unless it is the last word.

    Args:
        what: what is waited for; or what tells, in the end, why it did not come about.
    """
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        with contextlib.suppress(Exception):
            if look():
                return
        time.sleep(0.03)
    assert look(), f"not within {within_s:g} s: {what if isinstance(what, str) else what()}"
