"""Published list prices: genai-prices as packaged, read offline and never updated over the network.

Its history is patchy and its matching of model names is generous, so a `Price` says which entry of
the list it came from and since when that entry holds. https://github.com/pydantic/genai-prices
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

PRICE_LIST = "genai-prices"


@dataclass(frozen=True, kw_only=True)
class Rates:
    """USD per million tokens; None where no price is known."""

    input: float | None = None
    output: float | None = None
    #: Input tokens read from the prompt cache.
    cache_read: float | None = None
    #: Input tokens written to the prompt cache, by how long they stay.
    cache_write_5m: float | None = None
    cache_write_1h: float | None = None


#: The fields of `Rates`, in the order of the arrays that are made of them.
RATE_NAMES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")


@dataclass(frozen=True, kw_only=True)
class Tier:
    """Rates of all tokens of a request that has more input tokens than `above_input_tokens`."""

    above_input_tokens: int
    rates: Rates


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a model costs on a day."""

    provider: str
    #: The entry that was matched; the list's own name of the model.
    model: str
    #: Ascending; the first begins at 0. A request pays one tier for all its tokens.
    tiers: tuple[Tier, ...]
    #: `genai-prices 0.2.3`, or the tenant's row.
    source: str
    #: The first day on which this price holds, None where the list does not say.
    effective_from: date | None = None
    #: The price depends on the hour: this is the one at noon UTC.
    varies_by_hour: bool = False

    def rates(self, input_tokens: int) -> Rates:
        """The rates of a request with so many input tokens in all."""
        found = self.tiers[0].rates
        for tier in self.tiers[1:]:
            if input_tokens > tier.above_input_tokens:
                found = tier.rates
        return found

    def as_json(self) -> dict[str, Any]:
        """For a report: which entry, from where, since when, and each tier's rates."""
        return {
            "entry": f"{self.provider}/{self.model}",
            "source": self.source,
            "effective_from": self.effective_from.isoformat() if self.effective_from else None,
            "varies_by_hour": self.varies_by_hour,
            "usd_per_million": [
                {"above_input_tokens": t.above_input_tokens, **asdict(t.rates)} for t in self.tiers
            ],
        }


@cache
def list_version() -> str:
    """The version of the packaged price list."""
    return version(PRICE_LIST)


@cache
def published(model: str, provider: str | None, day: date) -> Price | None:
    """The list price of a model on a day, or None if the list has no such model or no price.

    Args:
        model: as the provider or a gateway names it.
        provider: None: the list's own rules tell it from the model's name.
        day: UTC.
    """
    # Imported late: the list takes 0.15 s to build, and the API starts without it.
    from genai_prices.data_snapshot import get_snapshot

    try:
        found, info = get_snapshot().find_provider_model(model, None, provider, None)
    except LookupError:
        return None
    return _price(found.id, info, day)


def published_models(day: date) -> Iterator[Price]:
    """Every priced model of the list, as of a day."""
    from genai_prices.data_snapshot import get_snapshot

    for provider in get_snapshot().providers:
        for info in provider.models:
            if price := _price(provider.id, info, day):
                yield price


def _price(provider: str, info: ModelInfo, day: date) -> Price | None:
    noon = datetime.combine(day, time(12), tzinfo=UTC)
    prices = info.get_prices(noon)
    tiers = _tiers(prices)
    if tiers[0].rates == Rates():
        return None
    since, by_hour = _holds(info, prices)
    return Price(
        provider=provider,
        model=info.id,
        tiers=tiers,
        source=f"{PRICE_LIST} {list_version()}",
        effective_from=since,
        varies_by_hour=by_hour,
    )


def _tiers(prices: ModelPrice) -> tuple[Tier, ...]:
    """The rates at each threshold that any of them names."""
    listed: dict[str, Any] = {
        "input": prices.input_mtok,
        "output": prices.output_mtok,
        "cache_read": prices.cache_read_mtok,
        "cache_write_5m": _first(prices.cache_write_5m_mtok, prices.cache_write_mtok),
        "cache_write_1h": prices.cache_write_1h_mtok,
    }
    starts = {t.start for price in listed.values() for t in getattr(price, "tiers", ())}
    return tuple(
        Tier(
            above_input_tokens=start,
            rates=Rates(**{name: _at(price, start) for name, price in listed.items()}),
        )
        for start in sorted({0, *starts})
    )


def _first(five_minutes: Any, plain: Any) -> Any:
    """A plain cache write is one of five minutes."""
    return plain if five_minutes is None else five_minutes


def _at(price: Any, start: int) -> float | None:
    """The price of the tier that begins at `start`, or of the last one before it."""
    if price is None:
        return None
    for tier in reversed(getattr(price, "tiers", ())):
        if start >= tier.start:
            return float(tier.price)
    return float(getattr(price, "base", price))


def _holds(info: ModelInfo, prices: ModelPrice) -> tuple[date | None, bool]:
    """Since when the chosen prices hold, and whether any of the model's depend on the hour."""
    if not isinstance(info.prices, list):
        return None, False
    by_hour = any(hasattr(p.constraint, "start_time") for p in info.prices)
    chosen = next(p for p in info.prices if p.prices is prices)
    return getattr(chosen.constraint, "start_date", None), by_hour
