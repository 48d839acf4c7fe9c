"""Sized on one part, charged for the next: known answers, and nothing known of what comes."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.demand import commitment_scores, read
from netra.analysis.commitment.later_weeks import charged_later, sized
from netra.analysis.commitment.newsvendor import cost
from netra.errors import InsufficientData
from tests.shared_data import shared_data


def demand(days: int = 8, per_day: int = 6, series: int = 4, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.exponential(1.0 + np.arange(series)[:, None], (series, days * per_day))


def test_the_second_half_changes_no_commitment() -> None:
    rates = demand()
    other = rates.copy()
    other[:, 24:] = 99.0
    ours, theirs = charged_later(rates, 6, 0.6), charged_later(other, 6, 0.6)
    for name in ("committed", "by_quantile", "by_peak"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name))
    assert not np.array_equal(ours.by_hindsight, theirs.by_hindsight)


def test_costs_savings_and_regrets() -> None:
    rates = demand()
    found = charged_later(rates, 6, 0.6)
    assert found.cut == 24
    after = rates[:, 24:]
    for n in range(4):
        assert found.cost[n] == cost(float(found.committed[n]), after[n], 0.6)
        assert found.on_demand[n] == after[n].mean()
    assert (found.regret(found.cost) >= -1e-12).all()
    assert found.regret(found.cost_by_hindsight).tolist() == [0.0] * 4
    assert found.saving(found.cost) == pytest.approx(1 - found.cost / found.on_demand)


def test_silence_has_no_saving_and_a_finite_regret() -> None:
    rates = demand()
    rates[0, 24:] = 0.0
    rates[1] = 0.0
    found = charged_later(rates, 6, 0.6)
    assert np.isnan(found.saving(found.cost)).tolist() == [True, True, False, False]
    assert np.isfinite(found.regret(found.cost)).tolist() == [True, False, True, True]


def test_sizing_uses_every_window() -> None:
    rates = np.tile(np.arange(10.0), 5)[None]
    assert sized(rates, 10, 0.5)[0] in (4.0, 5.0)


def test_a_week_is_too_short_to_test() -> None:
    with pytest.raises(InsufficientData) as raised:
        charged_later(demand(7), 6, 0.6)
    assert raised.value.needs == ["8 whole days of history, there are 7"]


@pytest.mark.parametrize(
    ("name", "quantile", "hindsight", "peak"),
    [("m-large", 0.202, 0.228, -0.92), ("m-small", 0.263, 0.279, -0.07)],
)
def test_real_demand(name: str, quantile: float, hindsight: float, peak: float) -> None:
    """Known answers of the shared data, and regret no larger than the quantile rule's."""
    found = commitment_scores(read(shared_data(f"demand-{name}.parquet")))
    assert found["total_quantile_rule_saving"] == pytest.approx(quantile, abs=0.0006)
    assert found["total_hindsight_saving"] == pytest.approx(hindsight, abs=0.0006)
    assert found["total_peak_saving"] == pytest.approx(peak, abs=0.006)
    assert found["commitment_regret"] <= found["quantile_rule_regret"]
    assert found["commitment_regret_second_week"] <= found["quantile_rule_regret_second_week"]
