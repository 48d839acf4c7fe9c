"""What the events of a workload cost at list prices, by the supply catalog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from netra.agents.columns import Floats, Vocabulary, numbers, times
from netra.analysis.request_cost import request_costs
from netra.catalog.prices import Price
from netra.catalog.supply import SupplyCatalog

#: How many models an answer lists.
MOST_LISTED = 100
_EPOCH = date(1970, 1, 1)
_DAY_US = 86_400_000_000
#: Provider (None: not said) and model, as the trace names them.
Model = tuple[str | None, str]


class ListPrices:
    """Prices events: each at the price of its day, or of the catalog's day if it has no date."""

    def __init__(self, supply: SupplyCatalog | None, anchored: bool) -> None:
        self._supply = supply or SupplyCatalog()
        self._anchored = anchored
        self._models = Vocabulary()
        self._providers = Vocabulary()
        #: The latest price that was used for each model.
        self._used: dict[Model, tuple[date, Price]] = {}
        self._unpriced: Counter[Model] = Counter()
        self._rows = self._cached_known = 0

    def costs(self, batch: pa.RecordBatch) -> Floats:
        """USD of each event, NaN where its model has no price or its tokens are unknown."""
        usd = np.full(batch.num_rows, np.nan)
        if not batch.num_rows:
            return usd
        tokens = {
            "input_tokens": numbers(batch, "input_tokens"),
            "output_tokens": numbers(batch, "output_tokens"),
            "cached": numbers(batch, "cached_input_tokens"),
            "written": numbers(batch, "cache_write_tokens"),
        }
        self._rows += batch.num_rows
        self._cached_known += int(np.count_nonzero(~np.isnan(tokens["cached"])))
        days = times(batch) // _DAY_US if self._anchored else np.zeros(batch.num_rows, np.int64)
        keys = np.stack(
            [
                self._providers.encode(batch, "provider").astype(np.int64),
                self._models.encode(batch, "model").astype(np.int64),
                days,
            ],
            axis=1,
        )
        kinds, of_row = np.unique(keys, axis=0, return_inverse=True)
        of_row = of_row.reshape(-1)
        for i, (provider, model, day) in enumerate(kinds.tolist()):
            if model < 0:
                continue
            rows = np.flatnonzero(of_row == i)
            price = self._price(self._model(provider, model), day, len(rows))
            if price is not None:
                of_kind = {name: values[rows] for name, values in tokens.items()}
                usd[rows] = request_costs(*_matrix(price), **of_kind)
        return usd

    @property
    def method(self) -> str:
        """How costs came about, for a figure."""
        day = "of the event's day" if self._anchored else f"of {self._supply.as_of}"
        if not self._cached_known:
            cache = "every input token at the full input price: the trace does not say what was"
            cache += " cached"
        else:
            cache = "cached tokens at the cache-read price, cache writes at the 5-minute price"
            if self._cached_known < self._rows:
                cache += f"; {self._rows - self._cached_known:,} events do not say what was cached:"
                cache += " their input at the full price"
        return f"sum of tokens x list price {day}, each request in its own tier; {cache}"

    def unpriced(self) -> list[dict[str, Any]]:
        """Models that have no price, with how many events they served; the largest only."""
        return [
            {"provider": provider, "model": model, "events": events}
            for (provider, model), events in self._unpriced.most_common(MOST_LISTED)
        ]

    def as_json(self) -> dict[str, Any]:
        """The prices that were used: entry, source, and since when it holds."""
        return {
            "as_of": self._supply.as_of.isoformat(),
            "day": "each event's own" if self._anchored else "as_of",
            "models": [
                {"provider": provider, "model": model, **_price_json(price), "day": str(day)}
                for (provider, model), (day, price) in islice(self._used.items(), MOST_LISTED)
            ],
        }

    def _model(self, provider: int, model: int) -> Model:
        named = self._providers.texts[provider] if provider >= 0 else None
        return named, self._models.texts[model]

    def _price(self, model: Model, day: int, rows: int) -> Price | None:
        on = _EPOCH + timedelta(days=day) if self._anchored else self._supply.as_of
        price = self._supply.price(model[1], provider=model[0], day=on)
        if price is None:
            self._unpriced[model] += rows
        elif model not in self._used or self._used[model][0] <= on:
            self._used[model] = (on, price)
        return price


def unpriced_models(
    supply: SupplyCatalog | None, models: Mapping[Model, int], day: date | None = None
) -> dict[str, int]:
    """Models without a price on a day, with how many events they served."""
    catalog = supply or SupplyCatalog()
    found: dict[str, int] = {}
    for (provider, model), events in models.items():
        if catalog.price(model, provider=provider, day=day) is None:
            found[model] = found.get(model, 0) + events
    return found


def _matrix(price: Price) -> tuple[Floats, Floats]:
    """The rates and thresholds of `request_costs`."""
    rates = [
        [t.rates.input, t.rates.output, t.rates.cache_read, t.rates.cache_write_5m]
        for t in price.tiers
    ]
    thresholds = [float(t.above_input_tokens) for t in price.tiers]
    return np.array(rates, dtype=np.float64), np.array(thresholds)


def _price_json(price: Price) -> dict[str, Any]:
    return {
        "entry": f"{price.provider}/{price.model}",
        "source": price.source,
        "effective_from": price.effective_from.isoformat() if price.effective_from else None,
        "varies_by_hour": price.varies_by_hour,
        "usd_per_million": [
            {"above_input_tokens": t.above_input_tokens, **vars(t.rates)} for t in price.tiers
        ],
    }
