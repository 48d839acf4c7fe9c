"""Charts of a commitment: how long demand lasts at each level, and what each level would cost."""

from __future__ import annotations

import numpy as np

from netra.agents.columns import Floats
from netra.agents.forecasting.axis import rounded
from netra.agents.forecasting.commitment_offer import Sized
from netra.analysis.commitment.newsvendor import cost
from netra.schemas.report import Chart, Mark

_POINTS = 101


def commitment_charts(total: Floats, one: Sized, unit: str) -> tuple[Chart, ...]:
    """`total` is demand by window; shape (windows,)."""
    return (_duration(total, one, unit), _costs(total, one, unit), _savings(one))


def _duration(total: Floats, one: Sized, unit: str) -> Chart:
    shares = np.linspace(0, 1, _POINTS)
    levels = np.quantile(total, 1 - shares)
    ratio = one.offer.ratio
    return Chart(
        id="load-duration",
        title="For how much of the time demand exceeds a level",
        kind="line",
        x_label="share of time",
        y_label=f"demand, {unit}",
        series=({"name": "demand", "x": rounded(shares), "y": rounded(levels)},),
        marks=(
            Mark(axis="y", at=float(one.committed or 0.0), label="commit to"),
            Mark(axis="x", at=ratio, label="break-even"),
        ),
        caption=f"Capacity that is used less than {ratio:.0%} of the time is cheaper on demand. The"
        " level to commit to lies off the crossing by as much as levels move.",
    )


def _costs(total: Floats, one: Sized, unit: str) -> Chart:
    assert one.test is not None
    later, test = total[one.test.cut :], one.test
    top = 1.1 * max(float(np.quantile(later, 0.9)), float(test.committed[0]))
    levels = np.linspace(0, top, _POINTS)
    base = float(test.on_demand[0])
    costs = np.array([cost(level, later, one.offer.ratio) / base for level in levels.tolist()])
    chosen, best = float(test.committed[0]), float(test.by_hindsight[0])
    return Chart(
        id="commitment-cost",
        title="What each level would have cost on the later days",
        kind="line",
        x_label=f"committed, {unit}",
        y_label="cost / cost on demand",
        series=(
            {"name": "cost", "x": rounded(levels), "y": rounded(costs)},
            {
                "name": "sized on the days before",
                "x": [chosen],
                "y": [float(test.cost[0]) / base],
                "style": "point",
            },
        ),
        marks=(
            Mark(axis="y", at=1.0, label="all on demand"),
            Mark(axis="x", at=best, label="best in hindsight"),
        ),
        caption="The curve is flat around its least: a level somewhat off costs little.",
    )


def _savings(one: Sized) -> Chart:
    named = {
        "this rule": one.saving,
        "plain quantile": one.by("quantile"),
        "best in hindsight": one.by("hindsight"),
    }
    values = [v if v is not None else float("nan") for v in named.values()]
    low, high = list(values), list(values)
    if one.interval:
        low[0], high[0] = one.interval.low, one.interval.high
    return Chart(
        id="commitment-saving",
        title="Saved on the later days",
        kind="bar",
        x_label="rule",
        y_label="share of the cost on demand",
        series=(
            {
                "name": "saved",
                "x": list(named),
                "y": rounded(np.array(values)),
                "lower": rounded(np.array(low)),
                "upper": rounded(np.array(high)),
            },
        ),
        caption="Sized on the first half of the days, charged for the second; the whisker is this"
        " rule's 90% interval over resampled days.",
    )
