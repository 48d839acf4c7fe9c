"""Offers of committed capacity, sized and tested for all series together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netra.agents.base import Context
from netra.agents.columns import Floats
from netra.analysis.bootstrap import BootstrapInterval, block_bootstrap, relative_saving
from netra.analysis.commitment.later_weeks import LEAST_DAYS, Charged, charged_later, sized
from netra.catalog.params import CommitmentParams
from netra.catalog.params.demand import parse_term
from netra.errors import InsufficientData

METHOD = (
    "newsvendor: the quantile 1 - price ratio of the distribution of demand over the term, which is"
    " that of the history times a level factor; how far levels move is measured in the history, cut"
    " at each day (half the series' own factors, half all series' or no change)"
)
LATER = (
    "sized on the first half of the days, charged for the second: 1 - cost / cost on demand;"
    " interval over resampled days (half days where there are fewer than ten)"
)
_FEW_DAYS = 10


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A term, and its price."""

    name: str
    ratio: float
    #: None: as long as what the history can test.
    days: float | None = None


@dataclass(frozen=True, kw_only=True)
class Sized:
    """An offer for all series together; untested, it says what is missing."""

    offer: Offer
    #: The level to commit to from now on; None where the term cannot be tested.
    committed: float | None = None
    test: Charged | None = None
    interval: BootstrapInterval | None = None
    #: Mean regret over the series on their own: by this rule, and by the plain quantile.
    regret: float | None = None
    quantile_regret: float | None = None
    needs: tuple[str, ...] = ()

    @property
    def saving(self) -> float | None:
        return None if self.test is None else _first(self.test.saving(self.test.cost))

    def by(self, rule: str) -> float | None:
        """What `quantile`, `peak` or `hindsight` would have saved."""
        if self.test is None:
            return None
        return _first(self.test.saving(getattr(self.test, f"cost_by_{rule}")))

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "term": self.offer.name,
            "days": self.offer.days,
            "price_ratio": self.offer.ratio,
            #: Committed capacity pays where it is used more than this share of the time.
            "break_even_utilisation": self.offer.ratio,
        }
        if self.test is None:
            return found | {"status": "insufficient_data", "needs": list(self.needs)}
        return found | {
            "status": "ok",
            "committed": self.committed,
            "saving": self.saving,
            "saving_interval": [self.interval.low, self.interval.high] if self.interval else None,
            "quantile_rule_saving": self.by("quantile"),
            "hindsight_saving": self.by("hindsight"),
            "peak_saving": self.by("peak"),
            "series_regret": self.regret,
            "series_quantile_rule_regret": self.quantile_regret,
        }


def offers(params: CommitmentParams) -> tuple[Offer, ...]:
    """What is on offer.

    Raises:
        InsufficientData: no price is.
    """
    found = [Offer(name="the stretch tested", ratio=float(ratio)) for ratio in params.ratios()]
    for text in params.given_terms():
        name, days, ratio = parse_term(text)
        found.append(Offer(name=name, ratio=ratio, days=days))
    if not found:
        raise InsufficientData(
            "what a commitment costs is not known",
            ["price_ratio: price of a committed unit / price on demand; or terms"],
        )
    return tuple(found)


def size(rates: Floats, per_day: int, offer: Offer, context: Context) -> Sized:
    """Sizes an offer for the total, and tests it; `rates` has shape (series, windows)."""
    days = rates.shape[1] // per_day
    if days < 2 * LEAST_DAYS or (offer.days is not None and offer.days > days // 2):
        least = 2 * max(float(LEAST_DAYS), offer.days or 0.0)
        need = f"{least:g} days of history for {offer.name}, there are {days}"
        return Sized(offer=offer, needs=(need,))
    total = rates.sum(axis=0)[None]
    test = charged_later(total, per_day, offer.ratio)
    if not test.on_demand[0] > 0:
        return Sized(offer=offer, needs=("demand in the second half of the days",))
    series = charged_later(rates, per_day, offer.ratio)
    return Sized(
        offer=offer,
        committed=float(sized(total, per_day, offer.ratio)[0]),
        test=test,
        interval=_interval(total[0, test.cut :], per_day, test, offer.ratio, context),
        regret=float(np.nanmean(series.regret(series.cost))),
        quantile_regret=float(np.nanmean(series.regret(series.cost_by_quantile))),
    )


def _interval(
    later: Floats, per_day: int, test: Charged, ratio: float, context: Context
) -> BootstrapInterval | None:
    days = len(later) // per_day
    block = per_day if days >= _FEW_DAYS else per_day // 2
    whole = later[: len(later) // block * block].reshape(-1, block)
    level = float(test.committed[0])
    over = np.maximum(whole - level, 0.0).sum(axis=1)
    sums = np.stack([whole.sum(axis=1), ratio * level * block + over])
    try:
        return block_bootstrap(sums, relative_saving, xp=context.array_namespace, seed=context.seed)
    except InsufficientData:
        return None


def _first(values: Floats) -> float | None:
    return None if np.isnan(values[0]) else float(values[0])
