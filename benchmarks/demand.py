"""Forecasts of demand and commitments, on files of rates; the last line is one JSON object.

Usage: python -m benchmarks.demand [FILE …]; by default the two shared sets. A file is Parquet with
the columns `t` (s), `client`, `rate` in equal windows.

Forecast: hourly means, a day ahead, at four rolling origins on the last four days; each origin uses
what lies before it, and nothing was tuned on those days. Commitment: sized on the 10-minute rates
of the first half of the days, charged for the second, at 0.6 of the price on demand.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq

from netra.analysis.commitment.later_weeks import Charged, charged_later
from netra.analysis.compiled import Floats
from netra.analysis.demand.forecast import Forecast, forecast
from netra.analysis.demand.panel import Panel, panel
from netra.analysis.demand.scores import interval_scores, wape, weighted_coverage
from tests.shared_data import shared_data_dir

SETS = ("demand-m-large.parquet", "demand-m-small.parquet")
SEASON = HORIZON = 24
SCORED_DAYS = 4
LEVEL = 0.8
PRICE_RATIO = 0.6
WINDOWS_PER_DAY = 144


def main(files: list[Path]) -> None:
    busy_s, own_s = _busy_s(), _own_s()
    scored: dict[str, dict[str, Any]] = {}
    for file in files:
        rates = read(file)
        name = file.stem.removeprefix("demand-")
        scored[name] = forecast_scores(rates) | commitment_scores(rates)
        _print(name, scored[name])
    others = max(0.0, (_busy_s() - busy_s) - (_own_s() - own_s))
    print(f"processor seconds: {_own_s() - own_s:.1f} of this benchmark, {others:.1f} of others")
    keys = next(iter(scored.values()))
    print(json.dumps({key: {name: scored[name][key] for name in scored} for key in keys}))


def read(file: Path) -> Panel:
    table = pq.read_table(file, columns=["t", "client", "rate"])
    clients, codes = np.unique(table["client"].to_numpy(), return_inverse=True)
    times = table["t"].to_numpy().astype(np.float64)
    rates = table["rate"].to_numpy().astype(np.float64)
    return panel(times, codes.astype(np.int64), rates, len(clients))


def forecast_scores(rates: Panel) -> dict[str, float | None]:
    clients, total = forecast(rates.coarser(3600).rates, SEASON, HORIZON, LEVEL)
    of_total, of_clients = _scores(total), _scores(clients)
    return {
        "wape": of_total["wape"],
        "seasonal_naive_wape": of_total["naive"],
        "interval_score_ratio": of_total["ratio"],
        "coverage_80": of_clients["coverage"],
        "client_wape": of_clients["wape"],
        "client_seasonal_naive_wape": of_clients["naive"],
        "client_interval_score_ratio": of_clients["ratio"],
        "total_coverage_80": of_total["coverage"],
    }


def _scores(found: Forecast) -> dict[str, float | None]:
    days = found.scored[-SCORED_DAYS:]
    actual = found.actual[days]
    own = interval_scores(actual, found.low[days], found.high[days], LEVEL).sum()
    naive = interval_scores(actual, found.naive_low[days], found.naive_high[days], LEVEL).sum()
    volume = actual.sum(axis=(0, 2))
    return {
        "wape": wape(actual, found.point[days]),
        "naive": wape(actual, found.naive[days]),
        "ratio": float(own / naive) if naive > 0 else None,
        "coverage": weighted_coverage(actual, found.low[days], found.high[days], volume),
    }


def commitment_scores(rates: Panel) -> dict[str, float]:
    clients = charged_later(rates.rates, WINDOWS_PER_DAY, PRICE_RATIO)
    total = charged_later(rates.rates.sum(axis=0)[None], WINDOWS_PER_DAY, PRICE_RATIO)
    return {
        "commitment_regret": _mean_regret(clients, clients.cost),
        "quantile_rule_regret": _mean_regret(clients, clients.cost_by_quantile),
        "total_saving": float(total.saving(total.cost)[0]),
        "total_quantile_rule_saving": float(total.saving(total.cost_by_quantile)[0]),
        "total_hindsight_saving": float(total.saving(total.cost_by_hindsight)[0]),
        "total_peak_saving": float(total.saving(total.cost_by_peak)[0]),
        # The same over the second week's cost alone: clients that fall silent dominate it.
        "commitment_regret_second_week": _second_week(clients, clients.cost),
        "quantile_rule_regret_second_week": _second_week(clients, clients.cost_by_quantile),
    }


def _mean_regret(test: Charged, cost: Floats) -> float:
    return float(np.nanmean(test.regret(cost)))


def _second_week(test: Charged, cost: Floats) -> float:
    active = test.on_demand > 0
    excess = (cost - test.cost_by_hindsight)[active]
    return float((excess / test.on_demand[active]).mean())


def _print(name: str, scores: dict[str, Any]) -> None:
    print(f"--- {name}")
    for key, value in scores.items():
        print(f"  {key:36} {'-' if value is None else format(value, '.4f')}")


def _busy_s() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0)


def _own_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or [shared_data_dir() / name for name in SETS])
