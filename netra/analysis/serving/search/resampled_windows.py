"""How sure percentiles and the size of a fleet are, given that the traffic might have been other.

Requests of one window of time resemble each other, and queues outlast single requests: drawing
requests one by one would be too sure. Windows are drawn with replacement and laid end to end, and
each such trace is served anew (moving from Carlstein 1986's blocks of a series to its simulation);
the intervals are those of percentiles over the draws (Efron & Tibshirani 1993, ch. 13).

Where it is known what prompts have in common, a window that is drawn twice would find its prompts
in the cache: then the trace is served once for each number of replicas, and windows of what became
of its requests are drawn.

Cost: one simulation a draw and one for each number of replicas that may be enough; or one for each
number of replicas, and O(n) a draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from netra.analysis.compiled import Floats, Int64s
from netra.analysis.serving.search.configuration import Candidate
from netra.analysis.serving.search.evaluation import (
    Evaluation,
    evaluate,
    evaluation_of,
    serve,
)
from netra.analysis.serving.search.least_replicas import least_replicas
from netra.analysis.serving.search.limits import Limit, percentile
from netra.analysis.serving.search.trace import Trace
from netra.errors import InsufficientData, StageCancelled

#: With fewer windows the interval is too narrow to be worth printing.
MIN_WINDOWS = 10

_WAVE = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Resampled:
    """What the draws gave."""

    windows: int
    window_s: float
    #: How many draws were served.
    draws: int
    level: float
    #: `{"ttft_p95": (low, high), …}` of the chosen fleet, seconds.
    percentiles: dict[str, tuple[float, float]]
    #: The share of draws in which the chosen fleet holds the limits.
    holds_share: float
    #: The least replicas that hold, low and high; None where no number that was tried does.
    replicas: tuple[int, int | None]


def resample(trace: Trace, *, windows: int, rng: np.random.Generator) -> Trace | None:
    """Windows of the trace, drawn with replacement and laid end to end; None: all were empty."""
    rows, shift = _drawn_rows(trace, windows, rng)
    if not len(rows):
        return None
    picked = trace.where(rows)
    return Trace(
        # Rounding may put an arrival just before the end of the window before.
        arrival_s=np.maximum.accumulate(picked.arrival_s + shift),
        input_tokens=picked.input_tokens,
        output_tokens=picked.output_tokens,
    )


def _drawn_rows(trace: Trace, windows: int, rng: np.random.Generator) -> tuple[Int64s, Floats]:
    """The requests of windows drawn with replacement, and by how much each moves in time."""
    start = float(trace.arrival_s[0])
    width = trace.span_s / windows
    which = np.minimum((trace.arrival_s - start) / width, windows - 1).astype(np.int64)
    edges = np.searchsorted(which, np.arange(windows + 1))
    drawn = rng.integers(0, windows, windows)
    lengths = edges[drawn + 1] - edges[drawn]
    place = np.repeat(np.arange(windows), lengths)
    within = np.arange(len(place)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    shift = np.multiply(np.arange(windows) - drawn, width, dtype=np.float64)
    return np.repeat(edges[drawn], lengths) + within, shift[place]


def over_resamples(
    trace: Trace,
    candidate: Candidate,
    limits: Sequence[Limit],
    *,
    windows: int,
    draws: int,
    most: int,
    seed: int,
    level: float = 0.9,
    threads: int = 1,
    cancelled: Callable[[], bool] | None = None,
) -> Resampled:
    """Serves so many resampled traces.

    Raises:
        InsufficientData: there are too few windows, or all requests arrive at once.
        StageCancelled: it was asked to stop.
    """
    if windows < MIN_WINDOWS or trace.span_s <= 0:
        raise InsufficientData(
            f"{windows} windows of traffic over {trace.span_s:g} s carry no interval",
            needs=[f"{MIN_WINDOWS} windows of traffic"],
        )
    streams = np.random.default_rng(seed).spawn(draws)
    if trace.prefixes is not None:
        found = _of_served(trace, candidate, limits, windows, most, streams, cancelled)
        return _summary(found, windows, trace.span_s / windows, level, most)
    outcomes: list[tuple[Evaluation, int | None]] = []
    serve_one = partial(_one, trace, candidate, limits, windows, most)
    with ThreadPoolExecutor(threads) as pool:
        for at in range(0, draws, _WAVE):
            if cancelled and cancelled():
                raise StageCancelled
            outcomes += [o for o in pool.map(serve_one, streams[at : at + _WAVE]) if o]
    return _summary(outcomes, windows, trace.span_s / windows, level, most)


def _one(
    trace: Trace,
    candidate: Candidate,
    limits: Sequence[Limit],
    windows: int,
    most: int,
    rng: np.random.Generator,
) -> tuple[Evaluation, int | None] | None:
    drawn = resample(trace, windows=windows, rng=rng)
    if drawn is None:
        return None
    least = least_replicas(drawn, candidate.configuration, limits, most=most)
    if least and least.candidate.replicas == candidate.replicas:
        return least, candidate.replicas
    chosen = evaluate(drawn, candidate, limits)
    return chosen, least.candidate.replicas if least else None


def _of_served(
    trace: Trace,
    candidate: Candidate,
    limits: Sequence[Limit],
    windows: int,
    most: int,
    streams: list[np.random.Generator],
    cancelled: Callable[[], bool] | None,
) -> list[tuple[Evaluation, int | None]]:
    """Draws of windows of the served trace, each with the least replicas that hold it."""
    drawn = [d for d in (_drawn_rows(trace, windows, rng) for rng in streams) if len(d[0])]
    least: list[int | None] = [None] * len(drawn)
    chosen: list[Evaluation] = []
    for replicas in range(1, most + 1):
        if cancelled and cancelled():
            raise StageCancelled
        if replicas > candidate.replicas and None not in least:
            break
        fleet = Candidate(configuration=candidate.configuration, replicas=replicas)
        service = serve(trace, fleet)
        for i, (rows, _) in enumerate(drawn):
            found = evaluation_of(service, fleet, limits, rows)
            if found.holds and least[i] is None:
                least[i] = replicas
            if replicas == candidate.replicas:
                chosen.append(found)
    return list(zip(chosen, least, strict=True))


def _summary(
    outcomes: list[tuple[Evaluation, int | None]],
    windows: int,
    window_s: float,
    level: float,
    most: int,
) -> Resampled:
    tail = (1.0 - level) / 2.0
    names = outcomes[0][0].percentiles

    def ends(values: list[float]) -> tuple[float, float]:
        array = np.array([v for v in values if v == v])
        return percentile(array, tail), percentile(array, 1.0 - tail)

    needed = ends([float(r if r is not None else most + 1) for _, r in outcomes])
    return Resampled(
        windows=windows,
        window_s=window_s,
        draws=len(outcomes),
        level=level,
        percentiles={name: ends([e.percentiles[name] for e, _ in outcomes]) for name in names},
        holds_share=sum(e.holds for e, _ in outcomes) / len(outcomes),
        replicas=(int(needed[0]), int(needed[1]) if needed[1] <= most else None),
    )
