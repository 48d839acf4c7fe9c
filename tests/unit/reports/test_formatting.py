"""How numbers are written."""

from __future__ import annotations

import pytest

from netra.reports.formatting import format_figure, format_interval, format_tick, format_value
from netra.schemas.figure import Figure, missing


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (3318.5, "USD", "$3,318.50"),
        (-12.3, "USD", "−$12.30"),
        (0.00123, "USD", "$0.00123"),
        (0.0, "USD", "$0.00"),
        (123_456.7, "USD", "$123,457"),
        (12_345_678.0, "USD", "$12.3M"),
        (0.0123, "USD/request", "$0.01 / request"),
        (0.3664, "share", "36.6 %"),
        (0.0004, "share", "0.040 %"),
        (0.0, "share", "0.0 %"),
        (-0.2, "share", "−20.0 %"),
        (12.34, "%", "12.3 %"),
        (420.0, "ms", "420 ms"),
        (12_345.0, "ms", "12.3 s"),
        (28_705, "requests", "28,705 requests"),
        (1_250_000, "tokens", "1.25M tokens"),
        (3.14159, "", "3.14"),
        (float("inf"), "blocks", "∞"),
        (None, "USD", "unknown"),
    ],
)
def test_values(value: float | None, unit: str, text: str) -> None:
    assert format_value(value, unit).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.25, "share", "25%"),
        (20_000, "", "20k"),
        (2_500_000, "tokens", "2.5M"),
        (1500, "USD", "$1.5k"),
        (-5, "", "−5"),
        (0, "USD", "$0"),
        (0.001, "", "0.00100"),
    ],
)
def test_ticks(value: float, unit: str, text: str) -> None:
    assert format_tick(value, unit) == text


def test_interval_has_the_unit_at_both_ends() -> None:
    assert format_interval(0.1, 0.25, "share").replace("\u00a0", " ") == "10.0 % to 25.0 %"


def test_a_figure_without_value_says_why() -> None:
    assert format_figure(missing("quality", unit="share")) == "insufficient data"
    assert format_figure(Figure(value=None, unit="ms", status="not_supported")) == "not supported"
