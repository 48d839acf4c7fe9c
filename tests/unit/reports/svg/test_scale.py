"""Scales: where values lie, and which ticks are drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra.reports.svg import scale


def test_linear_widens_to_round_ends_and_maps_linearly() -> None:
    axis = scale.linear([3.0, 97.0], 0, 200)
    assert (axis.low, axis.high) == (0.0, 100.0)
    assert axis.at(50) == 100
    assert [label for _, label in axis.ticks()] == ["0", "20", "40", "60", "80", "100"]


def test_a_pixel_axis_may_run_upwards() -> None:
    axis = scale.linear([0.0, 1.0], 300, 20)
    assert axis.at(0) == 300
    assert axis.at(1) == 20


def test_one_value_still_makes_an_axis() -> None:
    for value in (0.0, 5.0, -5.0):
        axis = scale.linear([value], 0, 100)
        assert axis.low < axis.high
        assert 0 <= axis.at(value) <= 100


def test_far_from_zero_stays_far() -> None:
    assert scale.linear([990.0, 1010.0], 0, 100).low > 900


def test_log_ticks_are_powers_of_ten_over_many_decades() -> None:
    axis = scale.log([1, 1e6], 0, 600)
    assert isinstance(axis, scale.Log)
    assert [label for _, label in axis.ticks()] == ["1", "10", "100", "1k", "10k", "100k", "1M"]
    assert axis.at(1e3) == pytest.approx(300)


def test_log_falls_back_to_linear_where_a_value_is_not_above_zero() -> None:
    assert isinstance(scale.log([0, 10], 0, 100), scale.Linear)


def test_time_ticks_are_round_times() -> None:
    start = scale.parse_time("2026-11-01T00:00:00Z")
    assert start is not None
    axis = scale.Time(low=start, high=start + 7 * 86_400, start=0, end=700)
    assert [label for _, label in axis.ticks()][:2] == ["01 Nov", "02 Nov"]
    short = scale.Time(low=start, high=start + 6 * 3600, start=0, end=700)
    assert [label for _, label in short.ticks()][:2] == ["00:00", "01:00"]


def test_times_and_names_are_told_apart() -> None:
    assert scale.parse_time("2026-11-01T00:00:00+00:00") == scale.parse_time("2026-11-01 00:00:00")
    assert scale.parse_time("gpt-5-mini-2026") is None
    assert scale.parse_time(12) is None


@given(
    st.lists(
        st.floats(-1e12, 1e12, allow_nan=False).filter(lambda v: v == 0 or abs(v) > 1e-6),
        min_size=1,
        max_size=20,
    ),
    st.booleans(),
)
def test_every_value_lies_on_its_axis(values: list[float], zero: bool) -> None:
    axis = scale.linear(values, 0, 100, zero=zero)
    assert all(-1e-6 <= axis.at(v) <= 100 + 1e-6 for v in values)
    assert 2 <= len(axis.ticks()) <= 14
