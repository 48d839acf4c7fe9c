"""What the plan costs in all and by period, for goals that bound cost in USD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from netra.schemas.figure import Figure

_HOURS = {"hour": 1.0, "day": 24.0, "week": 168.0, "month": 730.5, "year": 8766.0}
_HOUR_US = 3_600_000_000


def period_costs(
    profile: Mapping[str, Any], backtest: Mapping[str, Any], triage: Mapping[str, Any]
) -> dict[str, Figure]:
    """The cost under the plan by request, by period, and of all requests (`span`), in USD.

    All are scaled from the requests of the verify part. Only where what is paid today is known:
    a plan that changes nothing would else cost several things at once. A workload without a
    calendar has no hours, days or months.
    """
    cost = _projected(backtest)
    if cost is None or not cost.n:
        return {}
    found = {"request": _scaled(cost, 1 / cost.n, "USD/request", "cost per request")}
    requests = profile.get("figures", {}).get("requests", {}).get("value")
    if requests:
        found["span"] = _scaled(cost, requests / cost.n, "USD", "cost of all requests")
    span: Mapping[str, Any] = triage.get("span", {})
    cut = backtest.get("split", {}).get("cut_us")
    if span.get("anchored") and cut is not None and span["end_us"] > cut:
        hours = (span["end_us"] - cut) / _HOUR_US
        for period, length in _HOURS.items():
            found[period] = _scaled(cost, length / hours, f"USD/{period}", f"cost per {period}")
    return found


def _projected(backtest: Mapping[str, Any]) -> Figure | None:
    """The cost of the verify part under the plan, if there is one assumption only."""
    for scope in backtest.get("scopes", ()):
        if not scope["where"] and len(scope["savings"]) == 1:
            cost = msgspec.convert(scope["savings"][0]["projected"], Figure)
            return cost if cost.status == "ok" else None
    return None


def _scaled(figure: Figure, factor: float, unit: str, label: str) -> Figure:
    value = figure.value or 0.0
    low, high = figure.interval or (value, value)
    return msgspec.structs.replace(
        figure,
        value=value * factor,
        interval=(low * factor, high * factor) if figure.interval else None,
        unit=unit,
        method=f"x {factor:.6g} from unseen traffic; {figure.method}",
        label=f"{label} under the plan",
    )
