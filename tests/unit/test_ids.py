from __future__ import annotations

import time

from netra.ids import new_id


def test_ids_are_version_7_of_the_rfc_variant() -> None:
    one = new_id()
    assert one.version == 7
    assert one.variant == "specified in RFC 4122"


def test_ids_carry_the_time_and_sort_by_it() -> None:
    before = time.time_ns() // 1_000_000
    first = new_id()
    time.sleep(0.002)
    second = new_id()
    assert before <= first.int >> 80 <= time.time_ns() // 1_000_000
    assert first < second


def test_ids_differ() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000
