"""The packaged price list, read as it is."""

from __future__ import annotations

from datetime import date

import pytest

from netra.catalog.prices import Rates, published, published_models

DAY = date(2026, 11, 1)


def test_a_tier_holds_for_all_tokens_of_a_request_above_its_threshold() -> None:
    price = published("claude-sonnet-4-5-20250929", None, DAY)
    assert price is not None
    assert price.rates(200_000) == Rates(
        input=3, output=15, cache_read=0.3, cache_write_5m=3.75, cache_write_1h=6
    )
    assert price.rates(200_001) == Rates(
        input=6, output=22.5, cache_read=0.6, cache_write_5m=7.5, cache_write_1h=12
    )


def test_the_day_decides_which_price_holds() -> None:
    before = published("claude-opus-4-6", "anthropic", date(2026, 3, 12))
    after = published("claude-opus-4-6", "anthropic", date(2026, 3, 13))
    assert before is not None
    assert after is not None
    assert before.rates(200_001).input == 10
    assert after.rates(200_001).input == 5
    assert after.effective_from == date(2026, 3, 13)


@pytest.mark.parametrize(
    ("model", "provider"), [("no-such-model", None), ("gpt-4o", "no-such-provider")]
)
def test_what_the_list_does_not_name_has_no_price(model: str, provider: str | None) -> None:
    assert published(model, provider, DAY) is None


def test_a_price_that_is_not_listed_is_unknown_rather_than_zero() -> None:
    price = published("gpt-4o", "openai", DAY)
    assert price is not None
    assert price.rates(1).cache_read == 1.25
    assert price.rates(1).cache_write_5m is None


def test_prices_that_depend_on_the_hour_say_so() -> None:
    price = published("deepseek-chat", "deepseek", DAY)
    assert price is not None
    assert price.varies_by_hour


def test_every_listed_price_is_a_price() -> None:
    prices = list(published_models(DAY))
    assert len(prices) > 1000
    for price in prices:
        starts = [t.above_input_tokens for t in price.tiers]
        assert starts[0] == 0
        assert starts == sorted(set(starts))
        assert price.source.startswith("genai-prices ")
