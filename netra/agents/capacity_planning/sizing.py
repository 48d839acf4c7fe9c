"""What is said of the chosen fleet besides: how sure, at which hours, on unseen traffic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from netra.agents.base import Context
from netra.agents.capacity_planning.fleets import evaluated_json, fleet_json, percentiles_ms
from netra.agents.capacity_planning.requests import Requests
from netra.agents.capacity_planning.searching import Question
from netra.analysis.percentiles import needed
from netra.analysis.serving.search.autoscaled import Autoscaled, cheapest_autoscaling
from netra.analysis.serving.search.configuration import Candidate
from netra.analysis.serving.search.evaluation import Evaluation, evaluation_of, serve
from netra.analysis.serving.search.fleet_search import Found
from netra.analysis.serving.search.replica_schedule import WindowNeed, replica_schedule
from netra.analysis.serving.search.resampled_windows import over_resamples
from netra.analysis.serving.search.step_time_band import BandEnd, over_band
from netra.analysis.serving.step_source import ErrorBand
from netra.errors import InsufficientData

#: Windows of the schedule: hours where there are several, else parts of the trace.
_HOUR_S = 3600.0
_HOURS_FROM = 2.0
_SHORT_WINDOW_S = 600.0
_MOST_WINDOWS = 336
_WARM_UP_S = 120.0
_CACHE_WARM_UP_S = 1800.0
#: Blocks of the resampling: hours where there are enough of them, else so many parts.
_BLOCK_HOURS = 20
_PARTS = 24
#: Requests that all resamples together may simulate.
_RESAMPLED_REQUESTS = 20_000_000
_LEAST_DRAWS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Schedule:
    """The need over time, and what it costs to follow it."""

    windows: list[WindowNeed]
    window_s: float
    hours: bool
    autoscaled: Autoscaled | None
    #: USD over the trace.
    static_usd: float
    scheduled_usd: float
    autoscaled_usd: float | None


def schedule_of(
    question: Question, requests: Requests, chosen: Candidate, context: Context
) -> Schedule:
    """Windows, autoscaler, and the three costs."""
    trace = requests.trace
    hours = trace.span_s >= _HOURS_FROM * _HOUR_S
    window_s = _HOUR_S if hours else min(_SHORT_WINDOW_S, max(trace.span_s / 6, 1e-3))
    window_s *= max(1, math.ceil(trace.span_s / window_s / _MOST_WINDOWS))
    most = 2 * chosen.replicas + 4
    windows = replica_schedule(
        trace, chosen.configuration, question.limits,
        window_s=window_s,
        # Caches take longer to fill than queues.
        warm_up_s=_WARM_UP_S if trace.prefixes is None else _CACHE_WARM_UP_S,
        most=most, served=(chosen.replicas, serve(trace, chosen)),
        cancelled=context.cancelled,
    )  # fmt: skip
    context.progress(0.72, "replicas by time")
    autoscaled = cheapest_autoscaling(
        trace, chosen, question.limits,
        startup_s=question.params.startup_s, most=most, cancelled=context.cancelled,
    )  # fmt: skip
    usd_s = chosen.configuration.usd_per_hour / _HOUR_S
    last = trace.span_s
    start = float(trace.arrival_s[0])
    return Schedule(
        windows=windows,
        window_s=window_s,
        hours=hours,
        autoscaled=autoscaled,
        static_usd=chosen.replicas * usd_s * last,
        scheduled_usd=sum(
            w.replicas * usd_s * (min(w.end_s, start + last) - w.start_s) for w in windows
        ),
        autoscaled_usd=autoscaled.replica_s * usd_s if autoscaled else None,
    )


def schedule_json(schedule: Schedule, requests: Requests, startup_s: float) -> dict[str, Any]:
    scaled = schedule.autoscaled
    return {
        "window_s": schedule.window_s,
        "calendar": schedule.hours and requests.anchored,
        "windows": [
            {
                "start_s": w.start_s,
                "requests": w.requests,
                "replicas": w.replicas,
                "holds": w.holds,
            }
            for w in schedule.windows
        ],
        "hour_of_day": _hour_of_day(schedule, requests),
        "cost_usd": {
            "static": schedule.static_usd,
            "scheduled": schedule.scheduled_usd,
            "autoscaled": schedule.autoscaled_usd,
        },
        "autoscaling": None
        if scaled is None
        else {
            "min_replicas": scaled.autoscaling.least,
            "max_replicas": scaled.most,
            "target_unfinished_requests_per_replica": scaled.autoscaling.target,
            "startup_s": startup_s,
            "most_on": int(scaled.replicas_on.max()),
            "percentiles": percentiles_ms(scaled.evaluation),
        },
        "method": "each window served on its own after a warm-up, with the least replicas that hold"
        " the limits, at most the chosen fleet's where that holds them in the window; the"
        " autoscaler is simulated over the whole trace",
    }


def _hour_of_day(schedule: Schedule, requests: Requests) -> list[dict[str, Any]] | None:
    """The most that each hour of the day needed; None without days, or without dates."""
    days = requests.trace.span_s / (24 * _HOUR_S)
    if not (requests.anchored and schedule.window_s == _HOUR_S and days >= 2):
        return None
    most: dict[int, int] = {}
    for w in schedule.windows:
        # A window begins within an hour and ends within the next: it counts for both.
        begin = requests.start_us / 1e6 + w.start_s
        for at in (begin, begin + schedule.window_s - 1.0):
            hour = int(at // _HOUR_S) % 24
            most[hour] = max(most.get(hour, 1), w.replicas)
    return [{"hour_utc": hour, "replicas": most[hour]} for hour in sorted(most)]


def intervals_of(
    question: Question, requests: Requests, chosen: Candidate, context: Context, seed: int
) -> dict[str, Any]:
    """Percentiles and replicas over resampled windows, as JSON."""
    trace, params = requests.trace, question.params
    hours = int(trace.span_s / _HOUR_S)
    windows = hours if hours >= _BLOCK_HOURS else _PARTS
    affordable = _RESAMPLED_REQUESTS // max(1, len(trace))
    draws = max(_LEAST_DRAWS, min(params.resamples, affordable))
    try:
        found = over_resamples(
            trace, chosen, question.limits,
            windows=windows, draws=draws, most=2 * chosen.replicas + 4, seed=seed,
            level=params.level, threads=params.threads, cancelled=context.cancelled,
        )  # fmt: skip
    except InsufficientData as e:
        return {"status": "insufficient_data", "detail": e.detail, "needs": list(e.needs)}
    return {
        "status": "ok",
        "level": found.level,
        "percentiles": {
            f"{name}_ms": [1e3 * low, 1e3 * high]
            for name, (low, high) in found.percentiles.items()
            if low == low
        },
        "replicas": list(found.replicas),
        "holds_share": found.holds_share,
        "windows": found.windows,
        "window_s": found.window_s,
        "draws": found.draws,
        "seed": seed,
        "method": f"{found.draws} traces of {found.windows} windows of {found.window_s:,.0f} s"
        " each, drawn with replacement"
        + (" and served anew" if trace.prefixes is None else " from the served trace"),
    }


def band_of(
    question: Question, requests: Requests, chosen: Candidate, error: ErrorBand
) -> dict[str, Any]:
    """The fleet at both ends of the step times' error band, as JSON."""
    fast, slow = over_band(
        requests.trace, chosen, question.limits,
        deviation=error.tpot, most=2 * chosen.replicas + 8,
    )  # fmt: skip

    def end(found: BandEnd) -> dict[str, Any]:
        least = found.least
        return {
            "step_time_factor": found.factor,
            "replicas": least.candidate.replicas if least else None,
            "cost_usd_per_hour": least.candidate.usd_per_hour if least else None,
            "percentiles_of_chosen": percentiles_ms(found.chosen),
            "chosen_holds": found.chosen.holds,
        }

    return {
        "fast": end(fast),
        "slow": end(slow),
        "deviation": error.tpot,
        "basis": error.basis,
        "n": error.n,
        "method": "all step times multiplied by e^-deviation and e^deviation (about two of three"
        " deployments lie between them), same GPU and settings, least replicas that hold",
    }


def backtest_of(
    question: Question, requests: Requests, on_fit: Found, cut: int, max_model_len: int
) -> dict[str, Any]:
    """The fleet chosen on the first part, on the requests after it, as JSON."""
    trace, share = requests.trace, question.params.memory_share
    n = len(trace) - cut
    parts = {"fit_requests": cut, "verify_requests": n, "fit_share": question.params.fit_share}
    short = [limit for limit in question.limits if n < needed(limit.q)]
    if short or not cut:
        need = max((needed(limit.q) for limit in short), default=1)
        return parts | {
            "status": "insufficient_data",
            "needs": [f"{need} requests in the later part, there are {n}"],
        }
    if on_fit.cheapest is None:
        return parts | {
            "status": "not_feasible",
            "detail": "no fleet holds the limits on the first part of the time",
        }
    chosen = on_fit.cheapest.candidate
    # The whole trace is served, so that what the first part leaves behind is there; counted are
    # the requests after it.
    later = evaluation_of(serve(trace, chosen), chosen, question.limits, (cut, len(trace)))
    return parts | {
        "status": "ok",
        "fleet": fleet_json(chosen, share, max_model_len),
        "cost_usd_per_hour": chosen.usd_per_hour,
        "percentiles": percentiles_ms(later),
        "share_of_limit": later.stress,
        "share_of_limit_on_fit": on_fit.cheapest.stress,
        "holds": later.holds,
        "holds_without_margin": later.stress <= 1.0 / (1.0 - question.params.margin),
        "method": "fleet chosen on the requests of the first part of the time alone; percentiles of"
        " the requests after it, all served in one simulation",
    }


def front_json(found: Found, memory_share: float, max_model_len: int) -> list[dict[str, Any]]:
    return [evaluated_json(e, memory_share, max_model_len) for e in found.front]


def by_replicas(question: Question, requests: Requests, chosen: Candidate) -> list[Evaluation]:
    """The chosen configuration with fewer and more replicas."""
    around = range(max(1, chosen.replicas - 3), chosen.replicas + 4)
    found: list[Evaluation] = []
    for replicas in around:
        candidate = Candidate(configuration=chosen.configuration, replicas=replicas)
        service = serve(requests.trace, candidate)
        found.append(evaluation_of(service, candidate, question.limits))
    return found
