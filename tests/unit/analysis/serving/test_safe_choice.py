"""Choices under a limit: by hand, and on predictions whose error is known."""

from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.serving.safe_choice import Case, choose, least_cautious, outcome
from netra.errors import InsufficientData


def test_the_greatest_throughput_that_holds_the_limit() -> None:
    time, throughput = np.array([5.0, 9.0, 11.0]), np.array([1.0, 2.0, 3.0])
    rows = np.array([0, 1, 2])
    assert choose(rows, time, throughput, 10.0) == 1
    assert choose(rows[:1], time, throughput, 10.0) == 0
    assert choose(rows, time, throughput, 4.0) == -1


def test_outcomes_by_hand() -> None:
    measured, rate = np.array([5.0, 9.0, 11.0, 50.0]), np.array([1.0, 2.0, 3.0, 9.0])
    cases = [Case(rows=np.array([0, 1, 2]), limit=10.0), Case(rows=np.array([0, 3]), limit=6.0),
             Case(rows=np.array([1, 2]), limit=9.5)]  # fmt: skip
    found = outcome(
        cases,
        cautious=np.array([5.0, 12.0, 10.0, 60.0]),
        throughput=rate,
        measured=measured,
        measured_throughput=rate,
    )
    # The third row breaks 10 ms with 3 / 2 of the best; nothing is picked under 9.5 ms.
    assert (found.cases, found.picks, found.violations) == (3, 2, 1)
    assert found.violation_share == 0.5
    assert found.throughput_of_oracle == pytest.approx((1.5 + 1.0 + 0.0) / 3)
    assert found.throughput_held == pytest.approx(1.0 / 3)
    assert found.throughput_of_sums == pytest.approx((3.0 + 1.0) / (2.0 + 1.0 + 2.0))


def world(seed: int) -> tuple[list[Case], dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    cases, n = [], 8
    load = np.tile(np.arange(n), 200)
    measured = 5.0 * 1.3**load * np.exp(rng.normal(0, 0.2, len(load)))
    rate = 2.0**load / measured
    for i in range(200):
        rows = np.arange(i * n, (i + 1) * n)
        if measured[rows].min() <= 15.0:
            cases.append(Case(rows=rows, limit=15.0))
    noise = rng.normal(0, 0.15, len(load))
    predicted = measured * np.exp(-noise)
    known = {"throughput": 2.0**load / predicted, "measured": measured, "measured_throughput": rate}
    deviation = np.full(len(load), 0.15)
    return cases, known | {"predicted": predicted, "deviation": deviation}


def test_what_is_learnt_on_known_choices_holds_on_others() -> None:
    cases, known = world(1)
    z = least_cautious(cases, violation_share=0.10, **known)
    others, fresh = world(2)
    predicted, deviation = fresh.pop("predicted"), fresh.pop("deviation")
    bold = outcome(others, cautious=predicted, **fresh)
    safe = outcome(others, cautious=predicted * np.exp(z * deviation), **fresh)
    assert 0.2 < z < 3.0
    assert bold.violation_share > 0.15
    assert safe.violation_share < 0.13
    assert safe.throughput_of_oracle > 0.7


def test_no_margin_without_known_choices() -> None:
    cases, known = world(1)
    with pytest.raises(InsufficientData, match="known choices"):
        least_cautious(cases[:10], violation_share=0.10, **known)
