from __future__ import annotations

import pytest

from netra.embedded.backoff import LONGEST_S, delay_s


@pytest.mark.parametrize(
    ("deaths", "expected"), [(0, 0.0), (1, 0.1), (2, 0.2), (3, 0.4), (7, 6.4), (8, 10.0)]
)
def test_doubles_up_to_the_longest(deaths: int, expected: float) -> None:
    assert delay_s(deaths) == pytest.approx(expected)


def test_stays_at_the_longest_for_ever() -> None:
    assert delay_s(10**6) == LONGEST_S
