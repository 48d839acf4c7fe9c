"""Rates as arrays, against prices looked up one by one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from netra.agents.model_codes import Model
from netra.agents.rates import RequestRates
from netra.catalog.prices import RATE_NAMES
from netra.catalog.supply import SupplyCatalog

AS_OF = date(2026, 11, 1)
MODELS: list[Model] = [
    ("anthropic", "claude-opus-4-6"),
    (None, "claude-sonnet-4-5-20250929"),
    ("anthropic", "nobody-knows"),
    ("openai", "gpt-4o"),
]


def microseconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 23, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize("day", [None, date(2026, 3, 12), AS_OF])
def test_each_request_has_the_rates_of_its_model_day_and_tier(day: date | None) -> None:
    rng = np.random.default_rng(5)
    catalog = SupplyCatalog(as_of=AS_OF)
    codes = rng.integers(-1, len(MODELS), 300, dtype=np.int32)
    days = [date(2026, 3, 10) + timedelta(days=int(d)) for d in rng.integers(0, 6, 300)]
    tokens = rng.choice([1.0, 199_999, 200_000, 200_001, 1e6, np.nan], 300)
    times = np.array([microseconds(d) for d in days])
    found = RequestRates(catalog, day).of(MODELS, codes, times, tokens)
    for i, code in enumerate(codes.tolist()):
        expected = [None] * len(RATE_NAMES)
        if code >= 0 and not np.isnan(tokens[i]):
            provider, model = MODELS[code]
            price = catalog.price(model, provider=provider, day=day or days[i])
            if price is not None:
                rates = price.rates(int(tokens[i]))
                expected = [getattr(rates, name) for name in RATE_NAMES]
        np.testing.assert_array_equal(found[i], np.array(expected, np.float64))


def test_the_prices_that_were_used_are_told() -> None:
    rates = RequestRates(SupplyCatalog(as_of=AS_OF), AS_OF)
    rates.of(MODELS, np.array([3, 2], np.int32), np.zeros(2, np.int64), np.ones(2))
    told = rates.as_json()
    assert told["as_of"] == "2026-11-01"
    assert [m["entry"] for m in told["models"]] == ["openai/gpt-4o"]
    assert told["models"][0]["usd_per_million"][0]["input"] == 2.5
    assert told["models"][0]["source"].startswith("genai-prices ")


def test_of_several_days_the_latest_price_is_told() -> None:
    rates = RequestRates(SupplyCatalog(as_of=AS_OF), None)
    days = [date(2026, 3, 14), date(2026, 3, 11)]
    times = np.array([microseconds(d) for d in days])
    rates.of(MODELS, np.zeros(2, np.int32), times, np.ones(2))
    told = rates.as_json()
    assert told["as_of"] is None
    assert [m["day"] for m in told["models"]] == ["2026-03-14"]


def test_no_requests_have_no_rates() -> None:
    rates = RequestRates(None, None)
    assert rates.of([], np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0)).shape == (0, 5)
