"""Splits: what is the past, what is the future, and which sessions are unseen."""

from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.split import sessions_begin_at_zero, split_by_session, split_by_time
from netra.errors import InsufficientData


def test_by_time_the_first_share_of_the_span_is_fit() -> None:
    ts = np.array([0, 10, 69, 70, 71, 100], dtype=np.int64)
    split = split_by_time(ts, 0.7)
    assert split.cut_us == 70
    assert split.fit.tolist() == [True, True, True, False, False, False]


def test_by_time_both_parts_are_filled_even_for_two_events() -> None:
    assert split_by_time(np.array([5, 6], dtype=np.int64), 0.5).fit.tolist() == [True, False]


def test_one_moment_cannot_be_split() -> None:
    with pytest.raises(InsufficientData) as caught:
        split_by_time(np.array([5, 5], dtype=np.int64), 0.7)
    assert caught.value.needs


def test_by_session_keeps_sessions_whole_and_the_share_exact() -> None:
    names = [f"s{i}" for i in range(100)]
    sessions = np.tile(np.arange(100, dtype=np.int32), 3)
    split = split_by_session(sessions, names, 0.7, seed=1)
    assert (split.fit_sessions, split.verify_sessions) == (70, 30)
    for code in range(100):
        assert len(set(split.fit[sessions == code].tolist())) == 1
    assert int(split.fit.sum()) == 210


def test_by_session_depends_on_id_and_seed_only() -> None:
    names = [f"s{i}" for i in range(50)]
    codes = np.arange(50, dtype=np.int32)
    first = split_by_session(codes, names, 0.5, seed=1).fit
    again = split_by_session(codes[::-1].copy(), names, 0.5, seed=1).fit[::-1]
    other = split_by_session(codes, names, 0.5, seed=2).fit
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_by_session_events_of_none_are_fit() -> None:
    split = split_by_session(np.array([0, -1, 1], dtype=np.int32), ["a", "b"], 0.5, seed=0)
    assert split.fit[1]
    assert split.fit[[0, 2]].sum() == 1


def test_one_session_cannot_be_split() -> None:
    with pytest.raises(InsufficientData):
        split_by_session(np.array([0, 0, -1], dtype=np.int32), ["a"], 0.7, seed=0)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_a_share_is_between_0_and_1(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        split_by_time(np.array([1, 2], dtype=np.int64), share)


def test_clocks_of_sessions() -> None:
    sessions = np.repeat(np.arange(20, dtype=np.int32), 3)
    own = np.tile(np.array([0, 50, 90], dtype=np.int64) * 1_000_000, 20)
    common = own + np.repeat(np.arange(20), 3) * 600_000_000
    assert sessions_begin_at_zero(own, sessions)
    assert not sessions_begin_at_zero(common, sessions)
    assert not sessions_begin_at_zero(own, np.full(60, -1, dtype=np.int32))
    assert not sessions_begin_at_zero(own[:3], sessions[:3])
