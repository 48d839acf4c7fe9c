"""Efficiencies and overheads of a deployment, fitted to what its engine logged.

The parameters are the logarithms of `Efficiencies`, or of `Factors` where step times come from
another source than the roofline; their prior is normal, with the means of their defaults and the
deviations below. For given parameters all requests are simulated, and what the
log knows is compared: the elapsed time until each first and each last token, and the mean time
between tokens, each as a logarithm of predicted over measured. A request that the simulation
preempts where the engine did not is an outlier, not a reason to bend the rates: residuals grow
like the square root of themselves beyond one deviation (pseudo-Huber, Charbonnier et al., ICIP
1994). The requests of a kind share their causes: together they weigh as ten independent ones.

Of requests that are not observed only arrivals and token counts are read. Cost: some hundred
simulations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from netra.analysis.compiled import Bools, Floats
from netra.analysis.serving.deployment import Adjustment, Deployment
from netra.analysis.serving.least_squares import least_squares
from netra.analysis.serving.roofline import Efficiencies, Roofline
from netra.analysis.serving.run_log import RunLog
from netra.analysis.serving.scaled import Factors
from netra.analysis.serving.simulator import Service
from netra.errors import InsufficientData


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Standard deviations of what is known before a log is seen; all of logarithms.

    docs/serving-calibration.md derives means and deviations from publications, parameter by
    parameter, and shows what others would have given.
    """

    #: Of efficiencies, around the defaults of `Efficiencies`.
    efficiencies: Mapping[str, float]
    #: Of factors, around those of `Factors`: kernels were measured on such a GPU by others.
    factors: Mapping[str, float]
    #: Of the KV cache's size, where no record states it: what a server keeps beside weights and
    #: cache is known to a gigabyte or so.
    kv_room: float = 0.15
    #: Of a request's times, predicted over measured, if all parameters were right.
    residual: float = 0.04


PRIOR: Final = Prior(
    efficiencies={
        "weights": 0.10,
        "products": 0.20,
        "experts": 0.50,
        "kv": 0.15,
        "attention": 0.50,
        "link": 0.50,
        "latency": 1.00,
        "step_s": 1.00,
        "sequence_s": 1.00,
    },
    factors={
        "tokens": 0.20,
        "sequences": 0.50,
        "kv": 0.20,
        "pairs": 0.50,
        "step_s": 1.00,
        "sequence_s": 1.00,
    },
)

#: Fewer finished requests say too little about seven parameters.
LEAST_FINISHED: Final = 50

_INDEPENDENT = 10.0
_WIDTH = 0.03
#: Elapsed times below this (s) are compared as if they were this.
_LEAST_ELAPSED_S = 0.1
#: The name of the parameter that multiplies an estimated KV cache.
KV_ROOM: Final = "kv_room"
#: From what peak use on an estimated KV cache is one that may have been full.
_MAY_BE_FULL = 0.8


@dataclass(frozen=True, kw_only=True, eq=False)
class Observed:
    """What a fit may see of a log; shape (n,) each."""

    #: Whose queueing, first token and last token are seen.
    queued: Bools
    first_token: Bools
    last_token: Bools


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """What was fitted."""

    adjustment: Adjustment
    #: What the KV cache holds, as a multiple of what was estimated; 1 where it was stated, or is
    #: never nearly full.
    kv_room: float = 1.0
    #: Of the fitted parameters' logarithms, prior included; the others keep their defaults.
    deviations: dict[str, float]
    #: Requests whose last token was seen.
    finished: int
    #: Simulations that the search took.
    simulations: int


def observed_first(log: RunLog, count: int) -> Observed:
    """All of the first requests by arrival, nothing of the others."""
    seen = np.arange(len(log)) < count
    return Observed(
        queued=seen & np.isfinite(log.queued_s),
        first_token=seen & np.isfinite(log.first_token_s),
        last_token=seen & np.isfinite(log.last_token_s),
    )


def observed_until_completion(log: RunLog, completions: int) -> Observed:
    """Every event until so many requests have finished.

    Raises:
        InsufficientData: fewer have finished in all.
    """
    finished = np.sort(log.last_token_s[np.isfinite(log.last_token_s)])
    if len(finished) < completions:
        raise InsufficientData(
            f"{len(finished)} requests have finished, not {completions}",
            needs=[f"{completions} finished requests"],
        )
    until = finished[completions - 1]
    return Observed(
        queued=log.queued_s <= until,
        first_token=log.first_token_s <= until,
        last_token=log.last_token_s <= until,
    )


def calibrate(
    log: RunLog, deployment: Deployment, observed: Observed, prior: Prior = PRIOR
) -> Calibration:
    """The most probable efficiencies of a deployment, given what is observed of a run on it.

    Raises:
        InsufficientData: too few requests have times, or no comparison with them is finite.
    """
    seen = observed.last_token & observed.first_token & observed.queued
    finished = int(np.count_nonzero(seen))
    if finished < LEAST_FINISHED:
        raise InsufficientData(
            f"{finished} finished requests with times, of {len(log)}",
            needs=[f"at least {LEAST_FINISHED} finished requests with queued, first-token and "
                   "last-token times in the part that is fitted"],
        )  # fmt: skip
    defaults = default_adjustment(deployment)
    prior_deviations = dict(_told(deployment, prior))
    if _kv_room_matters(log, deployment, defaults):
        prior_deviations[KV_ROOM] = prior.kv_room
    names = list(prior_deviations)
    measured = _Measured.of(log, observed)

    def with_parameters(at: Floats) -> tuple[Adjustment, float]:
        values = {name: float(np.exp(v)) for name, v in zip(names, at, strict=True)}
        room = values.pop(KV_ROOM, 1.0)
        return dataclasses.replace(defaults, **values), room

    def residuals(at: Floats) -> Floats:
        adjustment, room = with_parameters(at)
        service = predict(log, with_kv_room(log, deployment, room), adjustment)
        return measured.residuals(service, prior.residual)

    means = np.log([getattr(defaults, name, 1.0) for name in names])
    if not bool(np.all(np.isfinite(residuals(means)))):
        raise InsufficientData(
            "the log's times cannot be compared with predicted ones",
            needs=["queued, first-token and last-token times in that order, in seconds"],
        )
    found = least_squares(
        residuals,
        prior=means,
        deviation=np.array(list(prior_deviations.values())),
        width=np.full(len(names), _WIDTH),
    )
    deviations = np.sqrt(np.diag(found.covariance))
    adjustment, room = with_parameters(found.at)
    return Calibration(
        adjustment=adjustment,
        kv_room=room,
        deviations={name: float(d) for name, d in zip(names, deviations, strict=True)},
        finished=finished,
        simulations=found.evaluations,
    )


def predict(log: RunLog, deployment: Deployment, adjustment: Adjustment) -> Service:
    """All requests of a log, from their arrivals and token counts alone; times from the first."""
    elapsed = log.arrival_s - log.arrival_s[0]
    return deployment.serve(elapsed, log.input_tokens, log.output_tokens, adjustment)


def with_kv_room(log: RunLog, deployment: Deployment, room: float) -> Deployment:
    """The deployment with so many times its estimated KV cache, and room for the longest request.

    A cache that a server reported stays as it is.
    """
    if deployment.kv_stated:
        return deployment
    engine = deployment.engine
    longest = int((log.input_tokens + log.output_tokens - 1).max())
    least = -(-longest // engine.block_tokens)
    blocks = max(round(engine.kv_blocks * room), least)
    return dataclasses.replace(deployment, engine=dataclasses.replace(engine, kv_blocks=blocks))


def _kv_room_matters(log: RunLog, deployment: Deployment, typical: Adjustment) -> bool:
    """Whether the KV cache is an estimate, and nearly full at some time."""
    if deployment.kv_stated:
        return False
    estimated = with_kv_room(log, deployment, 1.0)
    peak = predict(log, estimated, typical).peak_kv_blocks
    return peak > _MAY_BE_FULL * estimated.engine.kv_blocks


def transferred(adjustment: Adjustment, *, source: Deployment, target: Deployment) -> Adjustment:
    """The adjustment for another model on the same GPU.

    What a run without links cannot reveal of them, or what is stated of the target's, is not
    taken over. Factors are taken over as they are: a source that measured knows its links.

    Raises:
        InsufficientData: the target has links, and nothing says how fast they are; or it is on
            another GPU.
    """
    here, there = source.steps.origin.gpu, target.steps.origin.gpu
    if here != there:
        raise InsufficientData(
            f"a run on {here} says nothing of {there}", needs=[f"a run on {there}"]
        )
    if not isinstance(adjustment, Efficiencies):
        return adjustment
    if target.has_links and not source.has_links and not target.link_measured:
        raise InsufficientData(
            "a run on single GPUs says nothing of the links between them",
            needs=["link_gbs: the bus bandwidth that an all-reduce between the GPUs achieves"],
        )
    defaults = Efficiencies()
    link = adjustment.link
    if target.link_measured:
        link = 1.0
    elif source.link_measured or not source.has_links:
        link = defaults.link
    latency = adjustment.latency if source.has_links else defaults.latency
    return dataclasses.replace(adjustment, link=link, latency=latency)


def _told(deployment: Deployment, prior: Prior) -> Mapping[str, float]:
    """The parameters that a run on this deployment can tell, and their prior deviations."""
    if not isinstance(deployment.steps, Roofline):
        return prior.factors
    left_out: set[str] = set()
    if not deployment.has_links:
        left_out |= {"link", "latency"}
    if deployment.link_measured:
        left_out |= {"link"}
    if deployment.steps.model.experts == 1:
        left_out |= {"experts"}
    return {name: d for name, d in prior.efficiencies.items() if name not in left_out}


def default_adjustment(deployment: Deployment) -> Adjustment:
    """The means of the priors; a measured bandwidth is reached by definition."""
    if not isinstance(deployment.steps, Roofline):
        return Factors()
    return Efficiencies(link=1.0) if deployment.link_measured else Efficiencies()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    """The observed part of a log, on the clock of its arrivals."""

    observed: Observed
    first_token_s: Floats
    last_token_s: Floats
    tpot_s: Floats
    #: Requests of more than one token whose first and last ones are seen, at different times.
    paced: Bools

    @classmethod
    def of(cls, log: RunLog, observed: Observed) -> _Measured:
        """The clocks agree when a request was queued at once: at the least difference."""
        seen = observed.queued
        start = float((log.queued_s[seen] - log.arrival_s[seen]).min()) + log.arrival_s[0]
        both = observed.last_token & observed.first_token & (log.tpot_s > 0)
        return cls(
            observed=observed,
            first_token_s=log.first_token_s - start,
            last_token_s=log.last_token_s - start,
            tpot_s=log.tpot_s,
            paced=both,
        )

    def residuals(self, service: Service, deviation: float) -> Floats:
        """In deviations; the last entries are those of the paces."""
        first, last, paced = self.observed.first_token, self.observed.last_token, self.paced
        logs = (
            _elapsed_ratio(service.first_token_s, self.first_token_s)[first],
            _elapsed_ratio(service.finish_s, self.last_token_s)[last],
            np.log(service.tpot_s[paced] / self.tpot_s[paced]),
        )
        return np.concatenate([_weighed(kind, deviation) for kind in logs])


def _elapsed_ratio(predicted: Floats, measured: Floats) -> Floats:
    return np.log(np.maximum(predicted, _LEAST_ELAPSED_S) / np.maximum(measured, _LEAST_ELAPSED_S))


def _weighed(logs: Floats, deviation: float) -> Floats:
    z = logs / deviation
    bounded = np.sign(z) * np.sqrt(2 * (np.sqrt(1 + z * z) - 1))
    return bounded * np.sqrt(_INDEPENDENT / max(len(z), 1))
