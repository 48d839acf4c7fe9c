"""The knee of curves whose knee is known."""

from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.knee import knee


def test_two_straight_pieces_meet_at_the_knee() -> None:
    x = np.arange(1.0, 101.0)
    y = np.where(x <= 20, x / 20, 1.0)
    assert x[knee(x, y) or 0] == 20


def test_an_exponential_approach() -> None:
    # The farthest point above the chord is where the scaled slope is 1: x = t ln(x_end / t) nearly.
    x = np.arange(1.0, 1001.0)
    y = 1 - np.exp(-x / 100)
    expected = 100 * np.log(10 / (1 - np.exp(-10)))
    assert x[knee(x, y) or 0] == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("y", [[0.0, 0.0, 0.0], [0.25, 0.5, 1.0]])
def test_no_knee(y: list[float]) -> None:
    assert knee(np.array([1.0, 2.0, 4.0]), np.array(y)) is None


def test_empty_and_wrong() -> None:
    assert knee(np.array([]), np.array([])) is None
    with pytest.raises(ValueError, match="rise"):
        knee(np.array([2.0, 1.0]), np.array([0.1, 0.2]))
    with pytest.raises(ValueError, match="shape"):
        knee(np.array([2.0]), np.array([0.1, 0.2]))
