"""How well a calibration predicts what it has not seen, beside carrying the past mean forward."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from netra.analysis.compiled import Bools, Floats
from netra.analysis.serving.calibration import (
    Observed,
    calibrate,
    observed_first,
    observed_until_completion,
    predict,
    transferred,
)
from netra.analysis.serving.deployment import Deployment
from netra.analysis.serving.run_log import RunLog
from netra.analysis.serving.simulator import Service
from netra.errors import InsufficientData, InvalidInput


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a set of requests is compared by; times in seconds from the queue."""

    tpot_mean: float
    latency_mean: float
    ttft_p90: float

    def over(self, other: Summary) -> dict[str, float]:
        """Each figure relative to the other's, minus one."""
        mine, others = asdict(self), asdict(other)
        return {name: mine[name] / others[name] - 1.0 for name in mine}


def serving_fit(
    log: RunLog,
    deployment: Deployment,
    *,
    split: float = 0.5,
    until_completion: int | None = None,
    other: tuple[RunLog, Deployment] | None = None,
) -> dict[str, Any]:
    """Fits on a part of a run, predicts, and scores what was not fitted.

    Args:
        log: the run, by arrival.
        deployment: what it ran on.
        split: the first floor(n * split) requests are fitted, the others scored.
        until_completion: fit instead every event until so many requests have finished, and score
            those that have not.
        other: score instead all of another run on the same GPU, with what transfers.

    Returns:
        The object that `netra analyze serving-fit` prints, but for the time that it took.

    Raises:
        InsufficientData: too few requests have times, in the fitted part or in the scored one.
        InvalidInput: the split is not between 0 and 1.
    """
    if not 0 < split < 1:
        raise InvalidInput(f"a split of {split} leaves nothing to fit, or nothing to score")
    count = int(len(log) * split)
    if until_completion is None:
        observed = observed_first(log, count)
        scored = np.arange(len(log)) >= count
    else:
        observed = observed_until_completion(log, until_completion)
        scored = ~observed.last_token
    fitted = calibrate(log, deployment, observed)
    efficiencies = fitted.efficiencies
    carried = _summary(log.tpot_s, log.latency_s, log.ttft_s, _carried(log, observed))
    if other is not None:
        target_log, target = other
        efficiencies = transferred(efficiencies, source=deployment, target=target)
        log, deployment = target_log, target
        scored = np.ones(len(log), np.bool_)
    service = predict(log, deployment, efficiencies)
    return _scores(log, service, scored, carried) | {
        "fitted_requests": fitted.finished,
        "scored_requests": int(np.count_nonzero(scored)),
        "simulations": fitted.simulations,
        "efficiencies": asdict(efficiencies),
        "log_deviations": fitted.deviations,
        "kv_tokens": deployment.engine.kv_tokens,
        "preemptions": int(service.preemptions.sum()),
    }


def _scores(log: RunLog, service: Service, scored: Bools, carried: Summary) -> dict[str, Any]:
    known = scored & np.isfinite(log.latency_s) & np.isfinite(log.ttft_s)
    if not bool(known.any()):
        raise InsufficientData(
            "no request of the scored part has times",
            needs=["queued, first-token and last-token times of requests that were not fitted"],
        )
    measured = _summary(log.tpot_s, log.latency_s, log.ttft_s, known)
    predicted = _summary(
        service.tpot_s,
        service.finish_s - service.received_s,
        service.first_token_s - service.received_s,
        known,
    )
    return {
        "relative_error": predicted.over(measured),
        "ttft_p90_error_of_mean_latency": (
            (predicted.ttft_p90 - measured.ttft_p90) / measured.latency_mean
        ),
        "carry_forward_error": carried.over(measured),
        "predicted": asdict(predicted),
        "measured": asdict(measured),
    }


def _carried(log: RunLog, observed: Observed) -> Bools:
    """The requests whose mean is carried forward: those that were seen to finish."""
    return observed.last_token & observed.first_token & observed.queued


def _summary(tpot_s: Floats, latency_s: Floats, ttft_s: Floats, chosen: Bools) -> Summary:
    paces = tpot_s[chosen]
    return Summary(
        tpot_mean=float(paces[np.isfinite(paces)].mean()),
        latency_mean=float(latency_s[chosen].mean()),
        ttft_p90=float(np.percentile(ttft_s[chosen], 90)),
    )
