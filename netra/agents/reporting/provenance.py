"""What is known of the data, and all that is needed to compute the report again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netra import __version__
from netra.agents.base import Inputs
from netra.agents.prompt_replay import POLICIES
from netra.reports.formatting import format_count
from netra.schemas.goal import Goal

#: What never describes the traffic itself.
_PLUMBING = ("ts", "event_id", "span_id", "parent_span_id", "trace_id")


def data_quality(triage: Mapping[str, Any], profile: Mapping[str, Any]) -> dict[str, Any]:
    """Which columns are known on how many events, what is not recorded, what was left out."""
    columns: Mapping[str, Any] = triage.get("columns", {})
    known = {c: v for c, v in columns.items() if v["known"] and c not in _PLUMBING}
    absent = [c for c, v in columns.items() if not v["known"] and c not in _PLUMBING]
    found: dict[str, Any] = {}
    if known:
        ordered = sorted(known.items(), key=lambda kv: (-kv[1]["share"], kv[0]))
        found["columns"] = {
            "title": "Columns that are recorded",
            "columns": [
                {"name": "Column"},
                {"name": "Events", "unit": "events"},
                {"name": "Share of events", "unit": "share"},
            ],
            "rows": [[name, v["known"], v["share"]] for name, v in ordered],
            "method": "events on which the column is known, counted by triage",
            "n": triage.get("span", {}).get("events"),
        }
    if absent:
        found["not recorded"] = ", ".join(absent)
    warnings = list(dict.fromkeys(str(w) for w in triage.get("warnings", ())))
    quality: Mapping[str, Any] = profile.get("data_quality", {})
    notes = [str(n) for n in quality.get("notes", ())]
    if said := [*warnings, *(n for n in notes if n not in warnings)]:
        found["notes"] = said
    return found


def method(
    inputs: Inputs,
    goal: Goal,
    triage: Mapping[str, Any],
    plan: Mapping[str, Any],
    backtest: Mapping[str, Any],
    agents: Sequence[str],
) -> dict[str, Any]:
    """Agents, versions, prices, seeds, split and queries."""
    prices: Mapping[str, Any] = plan.get("prices") or {}
    found: dict[str, Any] = {
        "about": _about(inputs, triage),
        "netra": __version__,
        "agents": [{"agent": name, "version": __version__} for name in agents],
        "workload": {"id": inputs.workload.id, "ingests": list(inputs.workload.ingests)},
        "queries": [
            "visible events of the workload: all rows of its visible ingests, each event once,"
            " ordered by ts and then by arrival"
        ],
    }
    if inputs.trace_id:
        found["trace"] = inputs.trace_id
    if goal.assumptions:
        found["goal"] = list(goal.assumptions)
    if plan.get("split"):
        found["split"] = plan["split"]
        found["baselines"] = plan.get("baselines", [])
        found["seeds"] = {"plan": plan.get("seed"), "backtest": backtest.get("seed")}
        found["policies"] = ", ".join(f"{p.name}: {p.label}" for p in POLICIES)
    if backtest.get("warm_up"):
        found["backtest"] = {
            "warm_up": backtest["warm_up"]["text"],
            "resamples": backtest["resamples"],
            "level": backtest["level"],
            "arrays": backtest["arrays"],
        }
    if prices:
        found["prices"] = _prices(prices)
    return found


def _about(inputs: Inputs, triage: Mapping[str, Any]) -> list[str]:
    """The lines under the report's title."""
    span: Mapping[str, Any] = triage.get("span", {})
    sessions = triage.get("sessions", {}).get("count") or 0
    events = f"{format_count(inputs.workload.events)} requests"
    if sessions:
        events += f" in {format_count(sessions)} session{'s' if sessions != 1 else ''}"
    if not inputs.workload.events and (made_of := inputs.upstream.get("demand", {}).get("made_of")):
        events = str(made_of)
    lines = [f"Workload {inputs.workload.name}", events]
    if span.get("start") and span.get("end"):
        lines.append(f"{span['start'][:16].replace('T', ' ')} to "
                     f"{span['end'][:16].replace('T', ' ')} UTC")  # fmt: skip
    elif span.get("hours") is not None:
        hours = float(span["hours"])
        length = (hours * 60, "minutes") if hours < 2 else (hours, "hours")
        lines.append(f"relative times over {length[0]:.0f} {length[1]}")
    return lines


def _prices(prices: Mapping[str, Any]) -> dict[str, Any]:
    """Each model's entry, its date and its rates of the first tier."""
    rows = [
        [
            model["model"],
            model["entry"],
            model["source"],
            model["effective_from"] or "not said",
            *(model["usd_per_million"][0].get(rate) for rate in ("input", "output", "cache_read")),
            *(model["usd_per_million"][0].get(f"cache_write_{ttl}") for ttl in ("5m", "1h")),
            len(model["usd_per_million"]),
        ]
        for model in prices.get("models", ())
    ]
    names = ("Model", "Entry", "Source", "Holds from")
    rates = ("Input", "Output", "Cache read", "Cache write 5 min", "Cache write 1 h")
    return {
        "as of": prices.get("as_of") or "the day of each event",
        "list": {
            "title": "Prices, USD per million tokens (first tier)",
            "columns": [
                *({"name": n} for n in names),
                *({"name": r, "unit": "USD"} for r in rates),
                {"name": "Tiers"},
            ],
            "rows": rows,
            "method": "each request pays the tier of its own input",
        },
    }
