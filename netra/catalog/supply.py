"""The supply catalog: models and GPUs and their prices, dated; a tenant's rows override the lists.

A row says all prices of a model from a day on: what it leaves out is unknown, not the list's.
A row of a GPU replaces every published offer of it. What is unknown has no price; nobody guesses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from netra.catalog.gpu_offers import PUBLISHED, GpuOffer, read_row
from netra.catalog.prices import Price, Rates, Tier, published
from netra.clock import SYSTEM
from netra.errors import InvalidInput, Problem
from netra.validation import problem_of

_Usd = Annotated[float, Meta(ge=0)]


class RowRates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """USD per million tokens."""

    input: _Usd
    output: _Usd
    cache_read: _Usd | None = None
    cache_write_5m: _Usd | None = None
    cache_write_1h: _Usd | None = None


class RowTier(RowRates, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates of requests with more input tokens than this."""

    above_input_tokens: Annotated[int, Meta(gt=0)]


class ModelRow(RowRates, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of a `model` row."""

    tiers: tuple[RowTier, ...] = ()
    #: Where the price comes from, for the reader: a contract, an invoice.
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class _Dated:
    effective_from: date
    price: Price


def check_row(kind: str, name: str, content: Mapping[str, Any], where: str = "content") -> None:
    """Checks a row before it is stored.

    Raises:
        InvalidInput: the name or a price is not understood; says which.
    """
    if kind == "model":
        _model_price(name, content, date.min, where)
    elif kind == "gpu":
        read_row(name, content, date.min, where)


class SupplyCatalog:
    """Prices by model and day: the tenant's own rows over the published list."""

    def __init__(self, rows: Iterable[Mapping[str, Any]] = (), *, as_of: date | None = None):
        """
        Args:
            rows: mappings with `kind`, `name` (`provider/model`), `effective_from`, `content`.
            as_of: the day whose prices hold where no other day is named; None: today, UTC.

        Raises:
            InvalidInput: a row is not understood.
        """
        self.as_of = as_of or SYSTEM.now().date()
        self._rows: dict[str, list[_Dated]] = {}
        #: Read when GPUs are asked for: what asks for models' prices alone needs none of it.
        self._gpu_rows: list[Mapping[str, Any]] = []
        for row in rows:
            if row["kind"] == "model":
                self._add(row)
            elif row["kind"] == "gpu":
                self._gpu_rows.append(row)

    def price(
        self, model: str, *, provider: str | None = None, day: date | None = None
    ) -> Price | None:
        """What a model costs on a day, or None: nobody knows."""
        day = day or self.as_of
        own = self._own(model, provider, day)
        return own or published(model, provider, day)

    def gpu_offers(self, *, day: date | None = None) -> list[GpuOffer]:
        """What each GPU can be had for on a day, by GPU and price.

        A tenant's row, the latest one of each term, replaces all published offers of its GPU.

        Raises:
            InvalidInput: a row is not understood.
        """
        day = day or self.as_of
        own: dict[tuple[str, str], GpuOffer] = {}
        rows = [
            read_row(row["name"], row["content"], _day(row), f"supply row {row['name']!r}")
            for row in self._gpu_rows
        ]
        for offer in sorted(rows, key=lambda o: o.as_of):
            if offer.as_of <= day:
                own[offer.gpu, offer.term] = offer
        named = {gpu for gpu, _ in own}
        offers = [*own.values(), *(o for o in PUBLISHED if o.gpu not in named)]
        return sorted(offers, key=lambda o: (o.gpu, o.usd_per_hour, o.provider))

    def _add(self, row: Mapping[str, Any]) -> None:
        day = _day(row)
        price = _model_price(row["name"], row["content"], day, f"supply row {row['name']!r}")
        # Found by its model alone too: a trace need not name the provider.
        for key in (row["name"].lower(), f"/{price.model}".lower()):
            self._rows.setdefault(key, []).append(_Dated(effective_from=day, price=price))

    def _own(self, model: str, provider: str | None, day: date) -> Price | None:
        rows = self._rows.get(f"{provider or ''}/{model}".lower(), ())
        valid = [r for r in rows if r.effective_from <= day]
        if len({r.price.provider for r in valid}) != 1:
            # None, or a model of several providers when the trace does not say which.
            return None
        return max(valid, key=lambda r: r.effective_from).price


def _day(row: Mapping[str, Any]) -> date:
    day = row["effective_from"]
    return date.fromisoformat(day) if isinstance(day, str) else day


def _model_price(name: str, content: Mapping[str, Any], since: date, where: str) -> Price:
    provider, slash, model = name.partition("/")
    if not (provider and slash and model):
        problem = Problem(where=where, problem="not a name", got=name, expected="provider/model")
        raise InvalidInput(f"supply row {name!r} names no model of a provider", [problem])
    try:
        row = msgspec.convert(dict(content), ModelRow)
    except msgspec.ValidationError as e:
        problem = problem_of(e, content, ModelRow, where)
        raise InvalidInput(f"supply row {name!r} is not understood", [problem]) from e
    tiers = [Tier(above_input_tokens=0, rates=_rates(row))]
    for tier in sorted(row.tiers, key=lambda t: t.above_input_tokens):
        tiers.append(Tier(above_input_tokens=tier.above_input_tokens, rates=_rates(tier)))
    source = f"own price from {since}" + (f" ({row.note})" if row.note else "")
    return Price(
        provider=provider, model=model, tiers=tuple(tiers), source=source, effective_from=since
    )


def _rates(row: RowRates) -> Rates:
    return Rates(
        input=row.input,
        output=row.output,
        cache_read=row.cache_read,
        cache_write_5m=row.cache_write_5m,
        cache_write_1h=row.cache_write_1h,
    )
