from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from netra.agents.prices import ListPrices, unpriced_models
from netra.catalog.supply import SupplyCatalog
from tests.shared_data import shared_data
from tests.unit.agents.workloads import AS_OF, DAY_US, MONDAY_US, SUPPLY, batch


def test_each_kind_of_token_has_its_price():
    prices = ListPrices(SUPPLY, anchored=True)
    usd = prices.costs(
        batch(
            ts=[MONDAY_US] * 2,
            model=["large", "large"],
            input_tokens=[1000, 1000],
            cached_input_tokens=[600, None],
            cache_write_tokens=[100, None],
            output_tokens=[10, 10],
        )
    )
    assert usd[0] == pytest.approx((300 * 10 + 600 * 1 + 100 * 12.5 + 10 * 50) / 1e6)
    assert usd[1] == pytest.approx((1000 * 10 + 10 * 50) / 1e6)
    assert "1 events do not say what was cached" in prices.method


def test_a_request_pays_one_tier_for_all_its_tokens():
    usd = ListPrices(SUPPLY, anchored=True).costs(
        batch(
            ts=[MONDAY_US] * 3,
            model=["tiered"] * 3,
            input_tokens=[1000, 1001, 500],
            output_tokens=[100, 100, 100],
        )
    )
    expected = [(1000 * 2 + 800) / 1e6, (1001 * 4 + 1600) / 1e6, (500 * 2 + 800) / 1e6]
    np.testing.assert_allclose(usd, expected)


def test_what_cannot_be_priced_is_unknown():
    prices = ListPrices(SUPPLY, anchored=True)
    usd = prices.costs(
        batch(
            ts=[MONDAY_US] * 4,
            model=["no-such-model", None, "large", "small"],
            input_tokens=[1, 1, None, 10],
            cached_input_tokens=[None, None, None, 5],  # small has no cache-read price
            output_tokens=[1, 1, 1, 1],
        )
    )
    assert np.isnan(usd).all()
    assert prices.unpriced() == [{"provider": None, "model": "no-such-model", "events": 1}]


def test_events_are_priced_at_their_own_day():
    rows = [
        {"kind": "model", "name": "acme/m", "effective_from": day, "content": content}
        for day, content in (
            ("2026-01-01", {"input": 1, "output": 1}),
            ("2026-03-03", {"input": 5, "output": 5}),
        )
    ]
    events = batch(
        ts=[MONDAY_US, MONDAY_US + DAY_US],
        model=["m", "m"],
        input_tokens=[1_000_000] * 2,
        output_tokens=[0, 0],
    )
    anchored = ListPrices(SupplyCatalog(rows, as_of=AS_OF), anchored=True)
    assert anchored.costs(events).tolist() == [1.0, 5.0]
    assert anchored.as_json()["models"][0]["effective_from"] == "2026-03-03"
    relative = ListPrices(SupplyCatalog(rows, as_of=AS_OF), anchored=False)
    assert relative.costs(events).tolist() == [1.0, 1.0]
    assert "2026-03-02" in relative.method


def test_the_same_model_of_two_providers_has_two_prices():
    rows = [
        {"kind": "model", "name": f"{p}/m", "effective_from": "2026-01-01", "content": c}
        for p, c in (("a", {"input": 1, "output": 1}), ("b", {"input": 2, "output": 2}))
    ]
    usd = ListPrices(SupplyCatalog(rows, as_of=AS_OF), anchored=True).costs(
        batch(
            ts=[MONDAY_US] * 2,
            provider=["b", "a"],
            model=["m", "m"],
            input_tokens=[1_000_000] * 2,
            output_tokens=[0, 0],
        )
    )
    assert usd.tolist() == [2.0, 1.0]


def test_without_cache_columns_the_method_says_so():
    prices = ListPrices(SUPPLY, anchored=True)
    prices.costs(batch(ts=[MONDAY_US], model=["large"], input_tokens=[1], output_tokens=[1]))
    assert "every input token at the full input price" in prices.method


def test_unpriced_models_are_counted():
    found = unpriced_models(SUPPLY, {("acme", "large"): 5, (None, "no-such-model"): 3})
    assert found == {"no-such-model": 3}


def test_real_sessions_cost_what_was_computed_independently():
    path = shared_data("coding-agent-sessions.parquet")
    prices = ListPrices(SupplyCatalog(as_of=date(2026, 11, 24)), anchored=False)
    names = ["model", "input_tokens", "output_tokens", "subagent"]
    table = pq.read_table(path, columns=names)
    rows = table.filter(pc.invert(table["subagent"])).drop_columns("subagent").to_pydict()
    costs = prices.costs(batch(ts=[0] * len(rows["model"]), **rows))
    assert round(float(costs.sum()), 2) == 17_600.59
    assert prices.unpriced() == []
