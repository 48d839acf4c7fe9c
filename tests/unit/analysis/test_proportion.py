from __future__ import annotations

import pytest

from netra.analysis.proportion import wilson


def test_a_published_example():
    # Newcombe 1998, table I: 81 of 263 at 95 %
    got = wilson(81, 263, level=0.95)
    assert (got.low, got.high) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))


def test_no_successes_still_have_an_upper_end():
    # Newcombe 1998, table I: 0 of 20 at 95 %
    got = wilson(0, 20, level=0.95)
    assert (got.value, got.low) == (0.0, 0.0)
    assert got.high == pytest.approx(0.1611, abs=5e-5)


def test_all_successes_mirror_none():
    assert wilson(20, 20).low == pytest.approx(1 - wilson(0, 20).high)
    assert wilson(20, 20).high == 1.0


@pytest.mark.parametrize(("k", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_what_is_no_proportion_is_refused(k: int, n: int):
    with pytest.raises(ValueError, match="no proportion"):
        wilson(k, n)
