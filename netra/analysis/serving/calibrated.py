"""A calibration taken along: to searches and reports, as numbers in JSON, and back.

It holds for the GPU that the log was written on. For another model on that GPU the efficiencies
that transfer are taken over, and the band of errors is that of such predictions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from netra.analysis.compiled import Floats
from netra.analysis.serving.deployment import Adjustment
from netra.analysis.serving.fit_report import FittedRun
from netra.analysis.serving.roofline import Efficiencies, Roofline
from netra.analysis.serving.scaled import Factors, Scaled
from netra.analysis.serving.step_source import ErrorBand, StepOrigin, StepTimes
from netra.analysis.serving.step_time import StepTable
from netra.errors import InvalidInput, Problem

#: Parts by arrival that the scored requests are cut into: each is one comparison.
_PARTS = 5
#: The least that errors are taken to be: as far as the simulator published with these logs is off
#: in TPOT with kernels that were profiled on the very GPU (LLMServingSim 2.0).
_LEAST_ERROR = 0.017
#: The efficiencies that are shares of published rates, and the most that one can be: cards clock
#: higher than their data sheets say, and caches spare memory, by a tenth or so.
_SHARES: Final = ("weights", "products", "kv", "attention", "link")
_MOST_SHARE = 1.15
#: Root mean squares over two public runs on an RTX PRO 6000, each predicted from the other with the
#: bandwidth of the link given, and over priors half and twice as wide as ours and moved ones
#: (`benchmarks/serving_priors.py`); of TTFT as a share of the mean latency.
OTHER_MODEL: Final = ErrorBand(
    tpot=0.06,
    ttft=0.065,
    basis="mean TPOT and p90 TTFT of two public vLLM runs on one GPU, each from the other's log,"
    " over 32 priors",
    n=2,
)


@dataclass(frozen=True, kw_only=True)
class EngineCalibration:
    """What a log taught about the step times of a model on GPUs of one kind."""

    #: What step times it adjusts, and of what: as `StepOrigin`.
    source: str
    model: str
    gpu: str
    tensor: int
    data: int
    adjustment: Adjustment
    #: The bandwidth that was stated of the links, bytes/s; None if it was fitted, or there is none.
    link_bytes_per_s: float | None
    #: How far predictions were from what had not been fitted.
    error: ErrorBand

    def as_json(self) -> dict[str, Any]:
        """As the content key `calibration` has it."""
        kind = "efficiencies" if isinstance(self.adjustment, Efficiencies) else "factors"
        return {
            "source": self.source,
            "model": self.model,
            "gpu": self.gpu,
            "tensor": self.tensor,
            "data": self.data,
            kind: asdict(self.adjustment),
            "link_bytes_per_s": self.link_bytes_per_s,
            "error": asdict(self.error),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> EngineCalibration:
        """What `as_json` gave.

        Raises:
            InvalidInput: it is something else.
        """
        try:
            known = {"source", "model", "gpu", "tensor", "data", "link_bytes_per_s"}
            kept = {name: found[name] for name in known}
            adjustment: Adjustment
            if "efficiencies" in found:
                adjustment = Efficiencies(**found["efficiencies"])
            else:
                adjustment = Factors(**found["factors"])
            return cls(adjustment=adjustment, error=ErrorBand(**found["error"]), **kept)
        except (KeyError, TypeError, ValueError) as e:
            wrong = Problem(where="calibration", problem=str(e), got=dict(found))
            raise InvalidInput("this is no calibration as serving-fit leaves it", [wrong]) from e


def implausible(adjustment: Adjustment) -> list[str]:
    """The efficiencies that exceed what can be: shares of a published rate well above one."""
    if not isinstance(adjustment, Efficiencies):
        return []
    return [name for name in _SHARES if getattr(adjustment, name) > _MOST_SHARE]


def calibration_of(fitted: FittedRun) -> EngineCalibration:
    """What there is to take along of a fit that was scored: of the log that was fitted, whatever
    was predicted from it."""
    fitted = fitted.own or fitted
    deployment = fitted.deployment
    origin = deployment.steps.origin
    stated = None
    if deployment.link_measured and isinstance(deployment.steps, Roofline):
        stated = deployment.steps.gpu.link_bytes_per_s
    return EngineCalibration(
        source=origin.source,
        model=origin.model,
        gpu=origin.gpu,
        tensor=origin.tensor,
        data=origin.data,
        adjustment=fitted.adjustment,
        link_bytes_per_s=stated,
        error=error_band(fitted),
    )


def error_band(fitted: FittedRun) -> ErrorBand:
    """Root mean squares of log(measured / predicted) over parts of the scored requests.

    The requests whose times are known are cut by arrival into parts of equal size; compared are
    their mean TPOT and mean TTFT, and the 90th percentile of all TTFT besides. Where nothing could
    be scored, what is known of other runs.
    """
    at = np.flatnonzero(fitted.known)
    if len(at) < _PARTS:
        return ErrorBand(
            tpot=OTHER_MODEL.tpot,
            ttft=OTHER_MODEL.ttft,
            basis="nothing of this log was left to score: " + OTHER_MODEL.basis,
            n=OTHER_MODEL.n,
        )
    service, log = fitted.service, fitted.log
    ttft_s = service.first_token_s - service.received_s
    return ErrorBand(
        tpot=_deviation(at, service.tpot_s, log.tpot_s),
        ttft=_deviation(at, ttft_s, log.ttft_s, fitted.relative_error["ttft_p90"]),
        basis=f"mean TPOT and TTFT of {_PARTS} parts of the {len(at)} requests of this log that"
        " were predicted and not fitted",
        n=_PARTS,
    )


def _deviation(
    at: np.ndarray, predicted: Floats, measured: Floats, further: float | None = None
) -> float:
    logs = [] if further is None or further <= -1 else [-float(np.log1p(further))]
    for part in np.array_split(at, _PARTS):
        both = part[np.isfinite(predicted[part]) & np.isfinite(measured[part])]
        if len(both) and min(predicted[both].sum(), measured[both].sum()) > 0:
            logs.append(float(np.log(measured[both].mean() / predicted[both].mean())))
    spread = float(np.sqrt(np.mean(np.square(logs)))) if logs else OTHER_MODEL.tpot
    return max(spread, _LEAST_ERROR)


def calibrated(source: StepTimes, calibration: EngineCalibration) -> StepTimes:
    """The source's step times as the calibration corrects them.

    Args:
        source: of the calibration's model, or of another one on the same GPU; a roofline for
            efficiencies, anything else for factors.
        calibration: what a log taught.

    Raises:
        InvalidInput: it was made on another GPU, or on another kind of source: no transfer
            between them is claimed.
    """
    origin = source.origin
    _check(origin, calibration)
    if isinstance(source, Roofline):
        steps: StepTimes = _efficient(source, calibration)
    else:
        assert isinstance(calibration.adjustment, Factors)
        steps = Scaled(steps=source, factors=calibration.adjustment)
    same = (origin.model, origin.tensor, origin.data) == (
        *(calibration.model, calibration.tensor, calibration.data),
    )
    return Calibrated(
        steps=steps,
        origin=dataclasses.replace(
            origin,
            source=origin.source + "+calibration",
            error=calibration.error if same else _wider(calibration.error, OTHER_MODEL),
            detail=f"{origin.detail}; calibrated on a log of {calibration.model} on"
            f" {calibration.tensor * calibration.data} x {calibration.gpu}",
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """Step times whose origin says that they were corrected, and how well."""

    steps: StepTimes
    origin: StepOrigin

    def tabulate(self, *, max_tokens: int, max_sequences: int) -> StepTable:
        """The corrected times of all steps of up to so many tokens and sequences."""
        return self.steps.tabulate(max_tokens=max_tokens, max_sequences=max_sequences)

    def kv_tokens(self, memory_share: float = 0.9) -> int:
        """How many tokens the KV cache of one rank holds."""
        return self.steps.kv_tokens(memory_share)


def _check(origin: StepOrigin, calibration: EngineCalibration) -> None:
    wrong: list[Problem] = []
    if origin.gpu != calibration.gpu:
        problem = "was calibrated on another GPU; no transfer between GPUs is claimed"
        wrong.append(
            Problem(where="gpu", problem=problem, got=origin.gpu, expected=calibration.gpu)
        )
    if origin.source != calibration.source:
        problem = "step times of another source were calibrated"
        wrong.append(
            Problem(where="source", problem=problem, got=origin.source, expected=calibration.source)
        )
    if wrong:
        raise InvalidInput("the calibration does not fit these step times", wrong)


def _efficient(source: Roofline, calibration: EngineCalibration) -> Roofline:
    assert isinstance(calibration.adjustment, Efficiencies)
    adjustment, gpu = calibration.adjustment, source.gpu
    if calibration.link_bytes_per_s is not None:
        gpu = dataclasses.replace(gpu, link_bytes_per_s=calibration.link_bytes_per_s)
    elif calibration.tensor * calibration.data == 1:
        # A run on one GPU says nothing of links: what is typical of them is assumed.
        typical = Efficiencies()
        adjustment = dataclasses.replace(adjustment, link=typical.link, latency=typical.latency)
    return dataclasses.replace(source, gpu=gpu, efficiencies=adjustment)


def _wider(one: ErrorBand, other: ErrorBand) -> ErrorBand:
    """The band that contains both."""
    widest = other if other.tpot >= one.tpot else one
    return ErrorBand(
        tpot=max(one.tpot, other.tpot),
        ttft=max(one.ttft, other.ttft),
        basis=widest.basis,
        n=widest.n,
    )
