"""What requests cost with a prompt cache."""

from __future__ import annotations

import numpy as np

from netra.analysis.prompt_cost import prompt_costs, sums_by_group


def test_hits_are_read_and_all_other_input_is_written() -> None:
    usd = prompt_costs(
        input_tokens=np.array([1_000.0, 1_000, 0]),
        output_tokens=np.array([100.0, 0, 100]),
        hit_tokens=np.array([400.0, 0, 0]),
        input_rate=np.array([3.75, 3.75, 3.75]),
        read_rate=np.array([0.3, 0.3, 0.3]),
        output_rate=np.array([15.0, 15, 15]),
    )
    by_hand = [(400 * 0.3 + 600 * 3.75 + 100 * 15) / 1e6, 1_000 * 3.75 / 1e6, 100 * 15 / 1e6]
    np.testing.assert_allclose(usd, by_hand, rtol=1e-15)


def test_what_has_no_rate_has_no_cost() -> None:
    one = np.ones(1)
    usd = prompt_costs(
        input_tokens=one, output_tokens=one, hit_tokens=one, input_rate=one,
        read_rate=np.array([np.nan]), output_rate=one,
    )  # fmt: skip
    assert np.isnan(usd).all()


def test_sums_are_by_group_and_groups_without_requests_are_zero() -> None:
    values = np.array([[1.0, 2, 4], [np.nan, 1, 1]])
    sums = sums_by_group(values, np.array([2, 0, 2], np.int32), 4)
    np.testing.assert_array_equal(sums, [[2, 0, 5, 0], [1, 0, np.nan, 0]])
    assert sums_by_group(np.empty((2, 0)), np.empty(0, np.int32), 0).shape == (2, 0)
