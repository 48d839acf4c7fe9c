"""How well a calibration predicts what it has not seen, beside carrying the past mean forward."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from netra.analysis.compiled import Bools, Floats
from netra.analysis.percentiles import needed
from netra.analysis.serving.calibration import (
    PRIOR,
    Calibration,
    Observed,
    Prior,
    calibrate,
    observed_first,
    observed_until_completion,
    predict,
    transferred,
    with_kv_room,
)
from netra.analysis.serving.deployment import Adjustment, Deployment
from netra.analysis.serving.run_log import RunLog
from netra.analysis.serving.simulator import Service
from netra.errors import InvalidInput

#: Of fewer requests a 90th percentile has no interval: it is not known.
LEAST_FOR_P90: Final = needed(0.9)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a set of requests is compared by; times in seconds from the queue, NaN if unknown."""

    tpot_mean: float
    latency_mean: float
    ttft_p90: float

    def over(self, other: Summary) -> dict[str, float | None]:
        """Each figure relative to the other's, minus one; None where one is not known."""
        mine, others = asdict(self), asdict(other)
        return {
            name: _known(mine[name] / others[name] - 1.0) if others[name] > 0 else None
            for name in mine
        }

    def as_json(self) -> dict[str, float | None]:
        return {name: _known(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedRun:
    """A calibration, what it predicts of a run, and what the run's log says."""

    #: The run that is predicted, and what it ran on.
    log: RunLog
    deployment: Deployment
    calibration: Calibration
    #: What of the calibration holds for the predicted run.
    adjustment: Adjustment
    service: Service
    #: Requests of the predicted run that were not fitted, and those of them whose times are known.
    scored: Bools
    known: Bools
    #: The same for predicted, measured, and the mean of what was seen to finish, carried forward.
    predicted: Summary
    measured: Summary
    carried: Summary
    #: Where another run was predicted: the fitted run with the part of it that was held out.
    own: FittedRun | None = None

    @property
    def relative_error(self) -> dict[str, float | None]:
        """Predicted / measured - 1 of each figure."""
        return self.predicted.over(self.measured)

    @property
    def ttft_p90_error_of_mean_latency(self) -> float | None:
        """The error of the p90 TTFT as a share of the mean latency."""
        if not self.measured.latency_mean > 0:
            return None
        return _known(
            (self.predicted.ttft_p90 - self.measured.ttft_p90) / self.measured.latency_mean
        )

    def as_json(self) -> dict[str, Any]:
        """The object that `netra analyze serving-fit` prints, but for the time that it took."""
        return {
            "relative_error": self.relative_error,
            "ttft_p90_error_of_mean_latency": self.ttft_p90_error_of_mean_latency,
            "carry_forward_error": self.carried.over(self.measured),
            "predicted": self.predicted.as_json(),
            "measured": self.measured.as_json(),
            "fitted_requests": self.calibration.finished,
            "scored_requests": int(np.count_nonzero(self.scored)),
            "scored_with_times": int(np.count_nonzero(self.known)),
            "simulations": self.calibration.simulations,
            "efficiencies": asdict(self.adjustment),
            "log_deviations": self.calibration.deviations,
            "kv_tokens": self.deployment.engine.kv_tokens,
            "kv_room": self.calibration.kv_room,
            "preemptions": int(self.service.preemptions.sum()),
        }


def fit_run(
    log: RunLog,
    deployment: Deployment,
    *,
    split: float = 0.5,
    until_completion: int | None = None,
    other: tuple[RunLog, Deployment] | None = None,
    prior: Prior = PRIOR,
) -> FittedRun:
    """Fits on a part of a run, predicts, and compares with what was not fitted.

    Args:
        log: the run, by arrival.
        deployment: what it ran on.
        split: the first floor(n * split) requests are fitted, the others scored.
        until_completion: fit instead every event until so many requests have finished, and score
            those that have not.
        other: score instead all of another run on the same GPU, with what transfers.
        prior: what is known before.

    Raises:
        InsufficientData: too few requests have times in the fitted part, or the other run cannot
            be predicted from this one.
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
    calibration = calibrate(log, deployment, observed, prior)
    carried = _summary(log.tpot_s, log.latency_s, log.ttft_s, _carried(observed))
    roomy = with_kv_room(log, deployment, calibration.kv_room)
    if other is None:
        return _scored(log, roomy, calibration, calibration.adjustment, scored, carried)
    target_log, target = other
    adjustment = transferred(calibration.adjustment, source=deployment, target=target)
    own = _scored(log, roomy, calibration, calibration.adjustment, scored, carried)
    target = with_kv_room(target_log, target, 1.0)
    everything = np.ones(len(target_log), np.bool_)
    found = _scored(target_log, target, calibration, adjustment, everything, carried)
    return dataclasses.replace(found, own=own)


def _scored(
    log: RunLog,
    deployment: Deployment,
    calibration: Calibration,
    adjustment: Adjustment,
    scored: Bools,
    carried: Summary,
) -> FittedRun:
    """What is predicted of a run, beside what its log says."""
    service = predict(log, deployment, adjustment)
    known = scored & np.isfinite(log.latency_s) & np.isfinite(log.ttft_s)
    return FittedRun(
        log=log,
        deployment=deployment,
        calibration=calibration,
        adjustment=adjustment,
        service=service,
        scored=scored,
        known=known,
        predicted=_summary(
            service.tpot_s,
            service.finish_s - service.received_s,
            service.first_token_s - service.received_s,
            known,
        ),
        measured=_summary(log.tpot_s, log.latency_s, log.ttft_s, known),
        carried=carried,
    )


def serving_fit(log: RunLog, deployment: Deployment, **how: Any) -> Mapping[str, Any]:
    """`fit_run`, as the object that is printed."""
    return fit_run(log, deployment, **how).as_json()


def _carried(observed: Observed) -> Bools:
    """The requests whose mean is carried forward: those that were seen to finish."""
    return observed.last_token & observed.first_token & observed.queued


def _summary(tpot_s: Floats, latency_s: Floats, ttft_s: Floats, chosen: Bools) -> Summary:
    paces = tpot_s[chosen & np.isfinite(tpot_s)]
    count = int(np.count_nonzero(chosen))
    return Summary(
        tpot_mean=float(paces.mean()) if len(paces) else np.nan,
        latency_mean=float(latency_s[chosen].mean()) if count else np.nan,
        ttft_p90=float(np.percentile(ttft_s[chosen], 90)) if count >= LEAST_FOR_P90 else np.nan,
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
