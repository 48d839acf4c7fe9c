"""Items come through in order, errors where they are consumed, and the thread ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from netra.ingest.prefetch import prefetched


def _threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "netra-prefetch"]


def test_all_items_in_order() -> None:
    with prefetched(range(100)) as items:
        assert list(items) == list(range(100))
    assert _threads() == []


def test_an_error_surfaces_after_the_items_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise RuntimeError("broken")

    seen: list[int] = []
    with pytest.raises(RuntimeError, match="broken"), prefetched(broken()) as items:
        seen.extend(items)
    assert _threads() == []


def test_a_consumer_that_leaves_stops_the_producer() -> None:
    made: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            made.append(len(made))
            yield made[-1]

    with prefetched(endless(), ahead=3) as items:
        assert next(items) == 0
    assert _threads() == []
    assert len(made) <= 6
