"""Scores of forecasts that are exact but for rounding."""

from __future__ import annotations

import numpy as np

from netra.analysis.demand.scores import wape, weighted_coverage


def test_rounding_is_no_error_and_lies_within() -> None:
    actual = np.full((2, 1, 5), 0.1 + 0.2)
    said = np.full((2, 1, 5), 0.3)
    assert (actual != said).all()
    assert wape(actual, said) == 0.0
    assert weighted_coverage(actual, said, said, np.ones(1)) == 1.0


def test_what_lies_outside_is_not_rounding() -> None:
    actual = np.array([[[1.0, 1.0, 1.00001, 0.99999]]])
    assert weighted_coverage(actual, np.ones_like(actual), np.ones_like(actual), np.ones(1)) == 0.5
