"""Predicted and measured times as a capacity planner would look at them."""

from __future__ import annotations

from typing import Any

import numpy as np

from netra.analysis.compiled import Bools, Floats
from netra.analysis.serving.fit_report import FittedRun
from netra.schemas.report import Chart, Mark

#: Points of a series.
_POINTS = 240


def charts(fitted: FittedRun, other: bool) -> tuple[Chart, ...]:
    """Times over arrival, and how they are distributed over the requests that were scored."""
    log, service = fitted.log, fitted.service
    at_s = log.arrival_s - log.arrival_s[0]
    ttft_s = service.first_token_s - service.received_s
    latency_s = service.finish_s - service.received_s
    cut = _cut(fitted, at_s, other)
    return (
        _over_arrival("ttft", "Time to first token", at_s, log.ttft_s, ttft_s, fitted, cut),
        _over_arrival("latency", "Latency", at_s, log.latency_s, latency_s, fitted, cut),
        _distribution(
            *("tpot-quantiles", "Time per output token of the requests that were not fitted"),
            *("ms per token", log.tpot_s * 1e3, service.tpot_s * 1e3, fitted.known),
        ),
        _distribution(
            *("ttft-quantiles", "Time to first token of the requests that were not fitted"),
            *("s", log.ttft_s, ttft_s, fitted.known),
        ),
    )


def _cut(fitted: FittedRun, at_s: Floats, other: bool) -> tuple[Mark, ...]:
    """Where the requests that were fitted end, if they do at one moment."""
    scored = np.flatnonzero(fitted.scored)
    if other or not len(scored) or not bool(fitted.scored[scored[0] :].all()) or not scored[0]:
        return ()
    return (Mark(axis="x", at=float(at_s[scored[0]]), label="not fitted from here on"),)


def _over_arrival(
    name: str,
    title: str,
    at_s: Floats,
    measured_s: Floats,
    predicted_s: Floats,
    fitted: FittedRun,
    cut: tuple[Mark, ...],
) -> Chart:
    seen = np.isfinite(measured_s)
    series: list[dict[str, Any]] = []
    for label, chosen in (
        ("measured, fitted", seen & ~fitted.scored),
        ("measured, not fitted", seen & fitted.scored),
    ):
        if bool(chosen.any()):
            points = _thinned(np.flatnonzero(chosen))
            series.append(_series(label, at_s[points], measured_s[points]) | {"style": "dots"})
    points = _thinned(np.arange(len(at_s)))
    series.append(_series("predicted", at_s[points], predicted_s[points]))
    return Chart(
        id=f"serving-fit-{name}",
        title=f"{title} by arrival",
        kind="line",
        x_label="arrival, s from the first",
        y_label="s",
        series=tuple(series),
        marks=cut,
        caption="A model that holds follows the dots that it was not fitted to.",
    )


def _distribution(
    name: str, title: str, unit: str, measured: Floats, predicted: Floats, chosen: Bools
) -> Chart:
    """Shares of requests that take at most so long, measured and predicted."""
    series: list[dict[str, Any]] = []
    both = chosen & np.isfinite(measured) & np.isfinite(predicted)
    for label, values in (("measured", measured), ("predicted", predicted)):
        ordered = np.sort(values[both])
        share = np.arange(1, len(ordered) + 1) / max(len(ordered), 1)
        points = _thinned(np.arange(len(ordered)))
        style = {"style": "dashed"} if label == "predicted" else {}
        series.append(_series(label, ordered[points], share[points]) | style)
    return Chart(
        id=f"serving-fit-{name}",
        title=title,
        kind="line",
        x_label=unit,
        y_label="share of requests that take at most so long",
        series=tuple(series),
        caption="Where the two lines part, percentiles are off by the distance between them.",
    )


def _thinned(points: np.ndarray) -> np.ndarray:
    """At most so many of them, evenly, both ends included."""
    if len(points) <= _POINTS:
        return points
    return points[np.unique(np.linspace(0, len(points) - 1, _POINTS).round().astype(np.int64))]


def _series(name: str, x: Floats, y: Floats) -> dict[str, Any]:
    return {"name": name, "x": _rounded(x), "y": _rounded(y)}


def _rounded(values: Floats) -> list[float]:
    return [float(f"{value:.5g}") for value in values]
