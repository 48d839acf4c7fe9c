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
        _over_arrival(at_s, log.ttft_s, ttft_s, fitted, cut),
        _against(log.latency_s, latency_s, fitted),
        _distribution(
            *("tpot-quantiles", "Time per output token of the requests that were not fitted"),
            *("milliseconds per token", log.tpot_s * 1e3, service.tpot_s * 1e3, fitted.known),
        ),
        _distribution(
            *("ttft-quantiles", "Time to first token of the requests that were not fitted"),
            *("seconds", log.ttft_s, ttft_s, fitted.known),
        ),
    )


def _cut(fitted: FittedRun, at_s: Floats, other: bool) -> tuple[Mark, ...]:
    """Where the requests that were fitted end, if they do at one moment."""
    scored = np.flatnonzero(fitted.scored)
    if other or not len(scored) or not bool(fitted.scored[scored[0] :].all()) or not scored[0]:
        return ()
    return (Mark(axis="x", at=float(at_s[scored[0]]), label="not fitted from here on"),)


def _over_arrival(
    at_s: Floats,
    measured_s: Floats,
    predicted_s: Floats,
    fitted: FittedRun,
    cut: tuple[Mark, ...],
) -> Chart:
    points = _thinned(np.arange(len(at_s)))
    # First, so that the dots lie on the line and not under it.
    series: list[dict[str, Any]] = [_series("predicted", at_s[points], predicted_s[points])]
    series += _dots("measured, ", at_s, measured_s, np.isfinite(measured_s), fitted)
    return Chart(
        id="serving-fit-ttft",
        title="Time to first token by arrival",
        kind="line",
        x_label="arrival, seconds from the first",
        y_label="seconds",
        series=tuple(series),
        marks=cut,
        caption="A model that holds follows the dots that it was not fitted to.",
    )


def _against(measured_s: Floats, predicted_s: Floats, fitted: FittedRun) -> Chart:
    """Each request's latency, predicted over measured, and the line of agreement."""
    seen = np.isfinite(measured_s) & (measured_s > 0)
    longest = float(max(predicted_s.max(), measured_s[seen].max() if bool(seen.any()) else 0.0))
    ends = np.array([0.0, longest])
    line = _series("predicted = measured", ends, ends) | {"style": "dashed"}
    return Chart(
        id="serving-fit-latency",
        title="Latency, predicted against measured",
        kind="line",
        x_label="measured, seconds",
        y_label="predicted, seconds",
        series=(line, *_dots("", measured_s, predicted_s, seen, fitted)),
        caption="Requests above the line are predicted to take longer than they did.",
    )


def _dots(
    prefix: str, x: Floats, y: Floats, seen: Bools, fitted: FittedRun
) -> list[dict[str, Any]]:
    """A dot a request, those that were fitted apart from those that were not."""
    found: list[dict[str, Any]] = []
    for label, chosen in (("fitted", ~fitted.scored), ("not fitted", fitted.scored)):
        points = _thinned(np.flatnonzero(seen & chosen))
        if len(points):
            found.append(_series(prefix + label, x[points], y[points]) | {"style": "dots"})
    return found


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
