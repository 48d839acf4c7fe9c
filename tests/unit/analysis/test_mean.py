from __future__ import annotations

import math

import numpy as np
import pytest

from netra.analysis.mean import MIN_VALUES, mean


def test_the_interval_is_the_textbook_one():
    values = np.arange(100.0)
    got = mean(values)
    assert got is not None
    half = 1.6448536 * math.sqrt(sum((v - 49.5) ** 2 for v in values) / 99) / 10
    assert (got.value, got.low, got.high) == pytest.approx((49.5, 49.5 - half, 49.5 + half))


def test_few_values_have_no_interval_and_no_mean():
    assert mean(np.ones(MIN_VALUES - 1)) is None
