"""docs/queue-protocol.md says where the present text of each of the queue's functions stands."""

from __future__ import annotations

from collections import Counter

from tests.unit.store import functions


def test_the_page_names_the_last_migration_that_makes_each_function() -> None:
    assert dict(functions.named()) == functions.made()


def test_the_page_names_each_function_once() -> None:
    assert [n for n, times in Counter(n for n, _ in functions.named()).items() if times > 1] == []
