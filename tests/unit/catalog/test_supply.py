"""A tenant's own rows over the published list."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from netra.catalog.supply import SupplyCatalog, check_row
from netra.errors import InvalidInput

DAY = date(2026, 11, 1)


def row(name: str, since: date | str, **content: Any) -> dict[str, Any]:
    return {"kind": "model", "name": name, "effective_from": since, "content": content}


def test_an_own_row_holds_from_its_day_on_and_the_list_before_it() -> None:
    catalog = SupplyCatalog(
        [
            row("openai/gpt-4o", date(2026, 6, 1), input=2, output=8, note="contract 7"),
            row("openai/gpt-4o", "2026-09-01", input=1, output=4),
        ],
        as_of=DAY,
    )

    def paid(day: date) -> float | None:
        price = catalog.price("gpt-4o", provider="openai", day=day)
        assert price is not None
        return price.rates(1).input

    assert paid(date(2026, 5, 31)) == 2.5
    assert paid(date(2026, 6, 1)) == 2
    assert paid(date(2026, 9, 1)) == 1
    june = catalog.price("gpt-4o", provider="openai", day=date(2026, 6, 1))
    assert june is not None
    assert june.source == "own price from 2026-06-01 (contract 7)"


def test_what_an_own_row_leaves_out_is_unknown_and_not_the_lists() -> None:
    catalog = SupplyCatalog([row("openai/gpt-4o", DAY, input=1, output=1)], as_of=DAY)
    price = catalog.price("gpt-4o")
    assert price is not None
    assert price.rates(1).cache_read is None


def test_own_tiers_are_put_in_order() -> None:
    tiers = [
        {"above_input_tokens": 200, "input": 3, "output": 3},
        {"above_input_tokens": 100, "input": 2, "output": 2},
    ]
    catalog = SupplyCatalog([row("own/house", DAY, input=1, output=1, tiers=tiers)], as_of=DAY)
    price = catalog.price("House", provider="Own")
    assert price is not None
    assert [price.rates(n).input for n in (100, 101, 200, 201)] == [1, 2, 2, 3]


def test_a_model_of_several_providers_needs_its_provider() -> None:
    rows = [row("a/house", DAY, input=1, output=1), row("b/house", DAY, input=2, output=2)]
    catalog = SupplyCatalog(rows, as_of=DAY)
    assert catalog.price("house") is None
    found = catalog.price("house", provider="b")
    assert found is not None
    assert found.rates(1).input == 2


def test_a_gpu_has_no_price_as_a_model() -> None:
    gpu = {"kind": "gpu", "name": "H100", "effective_from": DAY, "content": {"usd_per_h": 2}}
    assert SupplyCatalog([gpu], as_of=DAY).price("H100") is None


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gpt-4o", {"input": 1, "output": 1}, "provider/model"),
        ("openai/gpt-4o", {"input": 1}, "output"),
        ("openai/gpt-4o", {"input": -1, "output": 1}, ">= 0"),
        ("openai/gpt-4o", {"input": 1, "output": 1, "cached_read": 1}, "cached_read"),
        ("openai/gpt-4o", {"input": 1, "output": 1, "tiers": [{"input": 1}]}, "tiers"),
    ],
)
def test_a_row_that_is_not_understood_is_refused_naming_what(
    name: str, content: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidInput, match="supply row") as refused:
        check_row("model", name, content)
    assert says in str(refused.value)
    with pytest.raises(InvalidInput):
        SupplyCatalog([row(name, DAY, **content)])


def test_a_catalog_without_a_day_is_of_today() -> None:
    assert SupplyCatalog().as_of >= DAY


def gpu_row(name: str, day: date, **content: Any) -> dict[str, Any]:
    return {"kind": "gpu", "name": name, "effective_from": day, "content": content}


def test_published_offers_name_where_they_stand_and_when_they_were_read() -> None:
    offers = SupplyCatalog(as_of=DAY).gpu_offers()
    assert {"h100", "h200", "b200", "a100-80gb", "rtxpro6000"} == {o.gpu for o in offers}
    for offer in offers:
        assert offer.source
        assert offer.as_of.year == 2026
        assert 0.5 < offer.usd_per_hour < 20
    assert offers == sorted(offers, key=lambda o: (o.gpu, o.usd_per_hour, o.provider))


def test_own_rows_replace_all_published_offers_of_a_gpu() -> None:
    catalog = SupplyCatalog(
        [
            gpu_row("H100", date(2026, 1, 1), usd_per_hour=9.0),
            gpu_row("H100", date(2026, 2, 1), usd_per_hour=2.5, note="contract 7", max_gpus=16),
            gpu_row("H100", date(2026, 2, 1), usd_per_hour=1.5, term="1-year"),
            gpu_row("h100", date(2099, 1, 1), usd_per_hour=0.1),
            gpu_row("l4", date(2026, 1, 1), usd_per_hour=0.4, provider="ours", region="eu"),
        ],
        as_of=date(2026, 11, 1),
    )
    h100 = [o for o in catalog.gpu_offers() if o.gpu == "h100"]
    assert [(o.usd_per_hour, o.term) for o in h100] == [(1.5, "1-year"), (2.5, "on-demand")]
    assert h100[1].max_gpus == 16
    assert "contract 7" in h100[1].source
    (l4,) = [o for o in catalog.gpu_offers() if o.gpu == "l4"]
    assert (l4.provider, l4.region) == ("ours", "eu")
    assert any(o.gpu == "h200" for o in catalog.gpu_offers())


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("h100", {}, "usd_per_hour"),
        ("h100", {"usd_per_hour": 0}, "> 0"),
        ("h100", {"usd_per_hour": 2, "term": "spot"}, "term"),
        ("h100", {"usd_per_hour": 2, "price": 3}, "price"),
        (" ", {"usd_per_hour": 2}, "GPU's name"),
    ],
)
def test_a_gpu_row_that_is_not_understood_is_refused_naming_what(
    name: str, content: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_row("gpu", name, content)
    assert says in str(refused.value)
