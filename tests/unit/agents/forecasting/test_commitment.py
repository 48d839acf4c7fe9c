"""The agent commitment: offers, their test on later days, and what it proposes."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from netra.agents.base import QuietContext
from netra.agents.commitment import run
from netra.catalog.params import CommitmentParams
from netra.errors import InsufficientData, InvalidInput
from netra.reports.svg import draw
from netra.schemas.report import Recommendation, Section
from tests.unit.agents.forecasting.demands import MONDAY_S, inputs, points, rates


def content(days: int = 14, **given: Any) -> dict[str, Any]:
    batch = points(rates(days), MONDAY_S)
    return dict(run(inputs(demand=batch), CommitmentParams(**given), QuietContext()).content)


def test_an_offer_is_sized_and_tested_on_later_days() -> None:
    found = content(price_ratio=0.6)
    (offer,) = found["offers"]
    assert (offer["status"], offer["price_ratio"]) == ("ok", 0.6)
    # Six times a sine around 2 whose level stays: near its 40 % quantile.
    total = rates(14).sum(axis=0)
    assert offer["committed"] == pytest.approx(np.quantile(total, 0.4), rel=0.1)
    low, high = offer["saving_interval"]
    assert low < offer["saving"] < high
    assert offer["peak_saving"] < offer["saving"] <= offer["hindsight_saving"]
    assert found["recommendations"] == []
    assert len(json.dumps(found)) < 256_000


def test_several_prices_and_terms() -> None:
    found = content(price_ratio=(0.4, 0.8), terms=("1 week:7:0.7", "1 month:30:0.5"))
    assert [o["status"] for o in found["offers"]] == ["ok", "ok", "ok", "insufficient_data"]
    cheap, dear = (o["committed"] for o in found["offers"][:2])
    assert cheap > dear
    assert found["offers"][3]["needs"] == ["60 days of history for 1 month, there are 14"]
    assert "cannot test 1 month" in found["section"]["says"]


def test_with_prices_it_proposes_to_buy() -> None:
    found = content(price_ratio=0.6, unit_throughput=2.0, on_demand_usd_per_unit_hour=5.0)
    (raw,) = found["recommendations"]
    one = msgspec.convert(raw, Recommendation)
    offer = found["offers"][0]
    assert one.lever == "commitment"
    assert (
        one.title == f"Commit to {int(offer['committed'] / 2)} units at 60% of the price on demand"
    )
    later = rates(14).sum(axis=0)[7 * 144 :]
    assert one.baseline.value == pytest.approx(later.mean() / 2.0 * 5.0 * 24)
    assert one.saving.value == pytest.approx(offer["saving"] * one.baseline.value)
    assert one.backtest.value == offer["saving"]
    assert one.backtest.interval is not None
    assert json.loads(one.change.content)["commitment"]["price_ratio"] == 0.6


def test_the_chapter_can_be_drawn() -> None:
    section = msgspec.convert(content(price_ratio=0.6)["section"], Section)
    drawn = [chart.id for chart in section.charts if draw(chart)]
    assert drawn == ["load-duration", "commitment-cost", "commitment-saving"]
    assert [table["id"] for table in section.tables] == ["commitment-offers", "commitment-series"]


def test_without_a_price_there_is_nothing_to_say() -> None:
    with pytest.raises(InsufficientData) as raised:
        content()
    assert raised.value.needs == [
        "price_ratio: price of a committed unit / price on demand; or terms"
    ]


def test_a_short_history_says_how_much_it_needs() -> None:
    found = content(6, price_ratio=0.6)
    assert found["status"] == "insufficient_data"
    assert found["needs"] == ["8 days of history for the stretch tested, there are 6"]
    assert found["section"]["status"] == "insufficient_data"
    assert not found["section"]["charts"]


def test_demand_that_ends_cannot_test_anything() -> None:
    of = rates(14)
    of[:, 7 * 144 :] = 0.0
    found = run(inputs(demand=points(of)), CommitmentParams(price_ratio=0.6), QuietContext())
    assert found.content["needs"] == ["demand in the second half of the days"]


@pytest.mark.parametrize("term", ["1 year", "1 year:365:1.5", "1 year:x:0.5", ":30:0.5"])
def test_terms_are_name_days_and_ratio(term: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        CommitmentParams(terms=term).check("params")
    assert raised.value.errors[0].where == "params.terms"
