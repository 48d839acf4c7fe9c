"""Runs an iterator in a thread of its own, a little ahead of whoever consumes it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import Empty, Full, Queue
from typing import TypeVar

T = TypeVar("T")
#: How often a blocked side looks whether the other one is gone, seconds.
_POLL_S = 0.1


@contextmanager
def prefetched(source: Iterable[T], ahead: int = 2) -> Iterator[Iterator[T]]:
    """`source`, computed up to `ahead` items ahead; its exceptions surface where it is consumed.

    Leaving the block stops the thread after the item that it is at.
    """
    queue: Queue[tuple[T | None, BaseException | None, bool]] = Queue(ahead)
    stop = threading.Event()

    def put(item: tuple[T | None, BaseException | None, bool]) -> bool:
        while not stop.is_set():
            try:
                queue.put(item, timeout=_POLL_S)
            except Full:
                continue
            return True
        return False

    def produce() -> None:
        try:
            for item in source:
                if not put((item, None, False)):
                    return
            put((None, None, True))
        except BaseException as e:
            put((None, e, True))

    def consume() -> Iterator[T]:
        while True:
            try:
                item, error, done = queue.get(timeout=_POLL_S)
            except Empty:
                continue
            if error is not None:
                raise error
            if done:
                return
            yield item  # type: ignore[misc]

    thread = threading.Thread(target=produce, name="netra-prefetch", daemon=True)
    thread.start()
    try:
        yield consume()
    finally:
        stop.set()
        thread.join()
