from __future__ import annotations

import time

import pytest

from netra.ids import made_at, new_id


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


def test_ids_of_the_same_moment_sort_as_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(made := [new_id() for _ in range(10_000)]) == made
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now)
    assert sorted(made := [new_id() for _ in range(10_000)]) == made
    assert made_at(made[-1]) - made_at(made[0]) < 0.01


def test_a_clock_that_is_set_back_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    hour = 3600 * 10**9
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + hour)
    new_id()
    monkeypatch.setattr(time, "time_ns", lambda: now)
    assert abs(made_at(new_id()) - now / 1e9) < 0.01
