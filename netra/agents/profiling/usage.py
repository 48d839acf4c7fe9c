"""How much was used and what it costs: in all, and by model, feature, user, app and tool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netra.agents.profiling.sourced import Sourced
from netra.agents.profiling.traffic import Traffic
from netra.schemas.figure import Figure
from netra.schemas.report import Chart

#: Longer names are cut, characters.
MAX_NAME = 120
#: Bars of a chart.
MAX_BARS = 12
TOKENS = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens")
_TITLES = {
    "model": "model",
    "feature": "feature",
    "user_id": "user",
    "app": "application",
    "tool_name": "tool",
}
_COLUMNS = (
    ("requests", "requests"),
    ("share_of_requests", "share"),
    ("input_tokens", "tokens"),
    ("output_tokens", "tokens"),
    ("cached_input_tokens", "tokens"),
    ("priced_requests", "requests"),
    ("list_cost", "USD"),
    ("share_of_list_cost", "share"),
    ("recorded_cost", "USD"),
)


def usage_figures(traffic: Traffic, sourced: Sourced, cost_method: str) -> dict[str, Figure]:
    """Requests, tokens and cost in all."""
    events, known = traffic.events, traffic.known
    totals = _totals(traffic)
    figures = {
        "requests": sourced.exact("Requests", events, "requests", events, "count", "event_id")
    }
    for name in (*TOKENS, "reasoning_tokens"):
        label = name.replace("_", " ").capitalize()
        if known[name]:
            method = f"sum over the {known[name]:,} events on which it is known"
            figures[name] = sourced.exact(label, totals[name], "tokens", known[name], method, name)
        elif name in ("input_tokens", "output_tokens"):
            figures[name] = sourced.missing(label, "tokens", [name], name)
    figures["cost_list"] = _list_cost(traffic, sourced, cost_method, totals)
    if known["cost_usd"]:
        method = f"sum of cost_usd over the {known['cost_usd']:,} events on which it is known"
        label = "Recorded cost" + of_part(known["cost_usd"], events, "record it")
        figures["cost_recorded"] = sourced.exact(
            label, totals["cost_usd"], "USD", known["cost_usd"], method, "cost_usd"
        )
    cached, read = totals["cached_input_tokens"], totals["input_tokens"]
    if known["cached_input_tokens"] and read:
        figures["cached_share"] = sourced.exact(
            "Share of input tokens read from the provider's cache",
            cached / read,
            "share",
            known["cached_input_tokens"],
            "cached_input_tokens / input_tokens, where unknown counted as not cached",
            *("cached_input_tokens", "input_tokens"),
        )
    return figures


def _list_cost(traffic: Traffic, sourced: Sourced, method: str, totals: dict[str, float]) -> Figure:
    priced = traffic.known["list_cost_usd"]
    label = "Cost at list prices"
    if not priced:
        return sourced.missing(
            label, "USD", cost_needs(traffic), "model", "input_tokens", "output_tokens"
        )
    label += of_part(priced, traffic.events, "have a price")
    if priced < traffic.events:
        method = f"{method}; {traffic.events - priced:,} of {traffic.events:,} events left out:"
        method += " no price or no token counts"
    return sourced.exact(label, totals["list_cost_usd"], "USD", priced, method, "model", *TOKENS)


def of_part(known: int, events: int, what: str) -> str:
    """Where a sum is of a part of the requests, its label has to say so; else nothing."""
    return f" of the {known:,} of {events:,} requests that {what}" if known < events else ""


def cost_needs(traffic: Traffic) -> list[str]:
    """What a workload without any cost at list prices lacks."""
    columns = [c for c in ("model", "input_tokens", "output_tokens") if not traffic.known[c]]
    return columns or ["prices in the supply catalog for the models of these events"]


def _totals(traffic: Traffic) -> dict[str, float]:
    sums = traffic.groups["model"].totals().sums
    return {name: float(values.sum()) for name, values in sums.items()}


def usage_tables(
    traffic: Traffic, sourced: Sourced, cost_method: str, rows: int
) -> list[dict[str, Any]]:
    """One table for each group that is known on some event, of `rows` rows and the rest in one."""
    tables: list[dict[str, Any]] = []
    for group, title in _TITLES.items():
        if not traffic.known[group]:
            continue
        tables.append(
            sourced.table(
                f"usage_by_{group}",
                f"Usage and cost by {title}",
                [(title, ""), *_COLUMNS],
                _rows(traffic, group, rows),
                n=traffic.events,
                method=f"sums over events by {group}; {cost_method}; empty: not known",
                reads=[group, *TOKENS, "cost_usd"],
            )
        )
    return tables


def _rows(traffic: Traffic, group: str, most: int) -> list[list[Any]]:
    totals = traffic.groups[group].totals()
    names = ["(unknown)", *traffic.vocabularies[group].texts]
    order = spend_order(traffic, group)
    rows = [_row(names[i], [i], totals, traffic) for i in order[:most]]
    if rest := order[most:]:
        rows.append(_row(f"({len(rest):,} more)", rest, totals, traffic))
    return rows


def spend_order(traffic: Traffic, group: str) -> list[int]:
    """The group's rows, most list cost first, then most requests; those of no event left out."""
    totals = traffic.groups[group].totals()
    used = np.flatnonzero(totals.rows)
    keys = (-totals.rows[used], -totals.sums["list_cost_usd"][used])
    return used[np.lexsort(keys)].tolist()


def _row(name: str, places: Sequence[int], totals: Any, traffic: Traffic) -> list[Any]:
    at = np.asarray(places)
    requests = int(totals.rows[at].sum())

    def known_sum(measure: str) -> float | None:
        return float(totals.sums[measure][at].sum()) if totals.known[measure][at].sum() else None

    cost = known_sum("list_cost_usd")
    all_cost = float(totals.sums["list_cost_usd"].sum())
    return [
        name[:MAX_NAME],
        requests,
        requests / traffic.events,
        *(known_sum(m) for m in ("input_tokens", "output_tokens", "cached_input_tokens")),
        int(totals.known["list_cost_usd"][at].sum()),
        cost,
        cost / all_cost if cost is not None and all_cost else None,
        known_sum("cost_usd"),
    ]


def usage_charts(traffic: Traffic) -> list[Chart]:
    """Where the money goes, by model and by feature (requests where nothing has a price)."""
    charts: list[Chart] = []
    for group in ("model", "feature", "tool_name", "user_id"):
        totals = traffic.groups[group].totals()
        if not traffic.known[group] or len(traffic.vocabularies[group]) < 2:
            continue
        priced = bool(traffic.known["list_cost_usd"])
        values = totals.sums["list_cost_usd"] if priced else totals.rows
        names = ["(unknown)", *traffic.vocabularies[group].texts]
        order = spend_order(traffic, group)[:MAX_BARS]
        what = "Cost at list prices" if priced else "Requests"
        top = names[order[0]]
        share = float(values[order[0]]) / float(values.sum()) if values.sum() else 0.0
        charts.append(
            Chart(
                id=f"usage_by_{group}",
                title=f"{what} by {_TITLES[group]}",
                kind="bar",
                x_label=_TITLES[group],
                y_label="USD" if priced else "requests",
                series=(
                    {
                        "name": what,
                        "x": [names[i][:MAX_NAME] for i in order],
                        "y": [float(values[i]) for i in order],
                    },
                ),
                caption=f"{top[:MAX_NAME]} makes up {share:.1%} of {what.lower()}.",
            )
        )
    return charts
