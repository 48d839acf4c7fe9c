"""The rates that each request pays, as arrays: a price is looked up once per model and day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from netra.agents.columns import Codes, Floats
from netra.agents.model_codes import Model
from netra.catalog.prices import RATE_NAMES, Price
from netra.catalog.supply import SupplyCatalog

_EPOCH = date(1970, 1, 1)
_DAY_US = 86_400_000_000


class RequestRates:
    """Looks up rates, and remembers which prices were used."""

    def __init__(self, supply: SupplyCatalog | None, day: date | None) -> None:
        """
        Args:
            supply: None: the published list.
            day: the day whose prices hold for all requests; None: each request's own day.
        """
        self._supply = supply or SupplyCatalog()
        self._day = day
        self._tables: dict[tuple[Model, date], tuple[Floats, Floats] | None] = {}
        self._used: dict[Model, tuple[date, Price]] = {}

    def of(
        self,
        models: list[Model],
        codes: Codes,
        times_us: npt.NDArray[np.int64],
        input_tokens: Floats,
    ) -> Floats:
        """USD per million tokens of each request, in its own tier.

        Args:
            models: what the codes stand for.
            codes: each request's model, -1 for none; shape (n,).
            times_us: microseconds since 1970, UTC, and not before; shape (n,).
            input_tokens: all of them, cached ones included; NaN where unknown; shape (n,).

        Returns:
            Shape (n, 5), columns as in `catalog.prices.RATE_NAMES`; NaN where no price is known.
        """
        rates = np.full((len(codes), len(RATE_NAMES)), np.nan)
        days = times_us // _DAY_US if self._day is None else np.zeros(len(codes), np.int64)
        kinds, of_row = np.unique(codes.astype(np.int64) << 32 | days, return_inverse=True)
        for i, kind in enumerate(kinds.tolist()):
            code, day = kind >> 32, kind & 0xFFFFFFFF
            if code < 0:
                continue
            rows = np.flatnonzero(of_row == i)
            on = _EPOCH + timedelta(days=day) if self._day is None else self._day
            table = self._table(models[code], on)
            if table is not None:
                thresholds, by_tier = table
                tier = np.searchsorted(thresholds[1:], input_tokens[rows], side="left")
                rates[rows] = by_tier[tier]
        rates[np.isnan(input_tokens)] = np.nan
        return rates

    def as_json(self) -> dict[str, Any]:
        """The prices that were used, for a report: day, entry, source and rates of each model."""
        fixed = self._day.isoformat() if self._day else None
        return {
            "as_of": fixed,
            "day": "as_of" if fixed else "each event's own",
            "models": [
                {"provider": model[0], "model": model[1], **price.as_json(), "day": str(day)}
                for model, (day, price) in self._used.items()
            ],
        }

    def _table(self, model: Model, day: date) -> tuple[Floats, Floats] | None:
        """Thresholds, shape (tiers,), and rates, shape (tiers, 5)."""
        key = (model, day)
        if key not in self._tables:
            price = self._supply.price(model[1], provider=model[0], day=day)
            if price is None:
                self._tables[key] = None
            else:
                self._tables[key] = _arrays(price)
                if model not in self._used or self._used[model][0] <= day:
                    self._used[model] = (day, price)
        return self._tables[key]


def _arrays(price: Price) -> tuple[Floats, Floats]:
    thresholds = [float(t.above_input_tokens) for t in price.tiers]
    rates = [[getattr(t.rates, name) for name in RATE_NAMES] for t in price.tiers]
    return np.array(thresholds), np.array(rates, np.float64)
