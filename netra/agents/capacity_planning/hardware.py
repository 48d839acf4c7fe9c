"""Which replicas can be had: GPUs with a price, how the model lies on them, their step times."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netra.agents.base import StepProfiles
from netra.analysis.serving.calibrated import EngineCalibration, calibrated
from netra.analysis.serving.known import GPUS, known_gpu, known_model, with_format
from netra.analysis.serving.roofline import Parallelism, Roofline
from netra.analysis.serving.search.configuration import Candidate, Configuration
from netra.analysis.serving.search.offers import (
    ROUTINGS,
    Replica,
    Settings,
    configurations_of,
)
from netra.analysis.serving.search.trace import Trace
from netra.analysis.serving.specs import GpuSpec, ModelSpec
from netra.analysis.serving.step_source import StepOrigin, StepTimes
from netra.catalog.gpu_offers import GpuOffer
from netra.catalog.params.capacity import CapacityParams
from netra.catalog.supply import SupplyCatalog
from netra.errors import InsufficientData, InvalidInput, NotFound, Problem

_WIDTHS = (1, 2, 4, 8, 16)


@dataclass(frozen=True, kw_only=True)
class Priced:
    """A GPU with what it costs."""

    gpu: GpuSpec
    offer: GpuOffer


@dataclass(kw_only=True)
class Hardware:
    """What the search may choose from."""

    model: ModelSpec
    priced: list[Priced]
    configurations: list[Configuration] = field(default_factory=list)
    #: `{"gpu", "parallelism", "why"}` of what cannot serve the trace.
    refused: list[dict[str, Any]] = field(default_factory=list)
    #: Where step times come from, by (GPU, tensor, data).
    origins: dict[tuple[str, int, int], StepOrigin] = field(default_factory=dict)
    #: Why a calibration that was given is not used, if it is not.
    notes: list[str] = field(default_factory=list)

    def origin_of(self, candidate: Candidate) -> StepOrigin:
        """Where the step times of a fleet come from, and how far off they may be."""
        c = candidate.configuration
        return self.origins[c.gpu, c.tensor, c.data]


def named_model(params: CapacityParams) -> ModelSpec:
    """The model, in the format of weights that is asked for.

    Raises:
        InvalidInput: it is not known; the error names those that are.
    """
    try:
        model = known_model(params.model)
    except NotFound as e:
        raise InvalidInput(e.detail, e.errors) from e
    return model if params.weights == "as-named" else with_format(model, params.weights)


def priced_gpus(params: CapacityParams, supply: SupplyCatalog | None) -> list[Priced]:
    """The cheapest offer of each GPU that may be chosen.

    Raises:
        InvalidInput: a GPU that is asked for is not known.
        InsufficientData: none has a price.
    """
    supply = supply or SupplyCatalog()
    asked = (params.gpus,) if isinstance(params.gpus, str) else params.gpus
    allowed = {_gpu(name, "gpus").name for name in asked} if asked else None
    best: dict[str, Priced] = {}
    own = {
        _gpu(name, "gpu_usd_per_hour").name: usd for name, usd in params.gpu_usd_per_hour.items()
    }
    for gpu, usd in own.items():
        offer = GpuOffer(
            gpu=gpu, usd_per_hour=usd, provider="given", as_of=supply.as_of,
            source="parameter gpu_usd_per_hour",
        )  # fmt: skip
        best[gpu] = Priced(gpu=GPUS[gpu], offer=offer)
    for offer in supply.gpu_offers():
        try:
            spec = known_gpu(offer.gpu)
        except NotFound:
            continue
        if spec.name in best or offer.term != params.term:
            continue
        if offer.memory_gb:
            spec = dataclasses.replace(spec, memory_bytes=offer.memory_gb * 1e9)
        best[spec.name] = Priced(gpu=spec, offer=offer)
    found = [p for name, p in sorted(best.items()) if allowed is None or name in allowed]
    missing = sorted((allowed or set()) - set(best))
    if missing or not found:
        raise InsufficientData(
            f"no {params.term} price is known of " + (", ".join(missing) or "any GPU"),
            needs=[f"a supply row or gpu_usd_per_hour for {gpu}" for gpu in missing]
            or ["a supply row of a GPU, or gpu_usd_per_hour"],
        )
    return found


def find_hardware(
    params: CapacityParams,
    trace: Trace,
    supply: SupplyCatalog | None,
    calibration: EngineCalibration | None = None,
    profiles: StepProfiles | None = None,
) -> Hardware:
    """Every replica that fits and its settings.

    Raises:
        InvalidInput: the model or a GPU is not known.
        InsufficientData: no GPU has a price, or the model and its longest request fit on none.
    """
    model = named_model(params)
    settings = settings_of(params, hashed=trace.prefixes is not None)
    found = Hardware(model=model, priced=priced_gpus(params, supply))
    needs: dict[str, None] = {}
    for one in found.priced:
        most = min(params.max_gpus, one.offer.max_gpus or params.max_gpus)
        for tensor, data in _shapes(model, min(most, params.max_gpus_per_replica)):
            try:
                times = _times(params, model, one.gpu, tensor, data, calibration, profiles)
            except (InsufficientData, NotFound) as e:
                found.refused.append(_refusal(one.gpu.name, tensor, data, e.detail))
                needs |= dict.fromkeys(_needs(e))
                continue
            replica = Replica(
                gpu=one.gpu.name, tensor=tensor, data=data, times=times,
                usd_per_hour=one.offer.usd_per_hour * tensor * data,
            )  # fmt: skip
            configured = configurations_of(replica, trace, settings)
            if configured.refused:
                found.refused.append(_refusal(one.gpu.name, tensor, data, configured.refused))
                continue
            found.configurations += configured.configurations
            found.origins[one.gpu.name, tensor, data] = times.origin
    if not found.configurations:
        raise InsufficientData(
            f"{model.name} and the longest request fit on no GPU that may be chosen: "
            + "; ".join(dict.fromkeys(f"{r['gpu']}: {r['why']}" for r in found.refused[-4:])),
            needs=list(needs)
            or ["a GPU with more memory, more GPUs a replica, or weights of fewer bits"],
        )
    if calibration and not any("calibration" in o.source for o in found.origins.values()):
        found.notes.append(
            f"the calibration is of {calibration.source} times on {calibration.gpu}, which no"
            " candidate has: it is not used"
        )
    return found


def step_times(
    model: ModelSpec,
    gpu: GpuSpec,
    tensor: int,
    data: int,
    calibration: EngineCalibration | None = None,
) -> StepTimes:
    """The step times of one rank; corrected on the GPU that a calibration is of."""
    steps = Roofline(model=model, gpu=gpu, parallelism=Parallelism(tensor=tensor, data=data))
    return _taught(steps, calibration)


def _taught(steps: StepTimes, calibration: EngineCalibration | None) -> StepTimes:
    """Corrected, where the calibration is of that GPU and of that kind of source."""
    if calibration is None:
        return steps
    if (calibration.gpu, calibration.source) != (steps.origin.gpu, steps.origin.source):
        return steps
    return calibrated(steps, calibration)


def known_calibration(
    params: CapacityParams, upstream: Mapping[str, Mapping[str, Any]]
) -> EngineCalibration | None:
    """What a log of an engine taught: as a parameter, or by a stage before this one.

    Raises:
        InvalidInput: the parameter is no calibration.
    """
    given = params.calibration or upstream.get("serving-fit")
    if not given:
        return None
    raw = given.get("calibration", given if params.calibration else None)
    if params.calibration and raw is None:
        wrong = Problem(where="calibration", problem="has none: see its `implausible`")
        raise InvalidInput("this fit left no calibration to build on", [wrong])
    return EngineCalibration.from_json(raw) if raw else None


def _times(
    params: CapacityParams,
    model: ModelSpec,
    gpu: GpuSpec,
    tensor: int,
    data: int,
    calibration: EngineCalibration | None,
    profiles: StepProfiles | None,
) -> StepTimes:
    """The step times of one rank from the source that is asked for.

    Raises:
        NotFound, InsufficientData: there are no profiles, or none of this.
    """
    if params.step_times == "roofline":
        return step_times(model, gpu, tensor, data, calibration)
    if profiles is None:
        raise InsufficientData(
            "there are no profiles of measured kernels here",
            needs=["pip install netra[gpu-profiles]"],
        )
    times = profiles.step_times(
        params.model, gpu.name, tensor=tensor, data=data, weights=params.weights
    )
    return _taught(times, calibration)


def _needs(e: InsufficientData | NotFound) -> list[str]:
    """What is missing, in words."""
    if isinstance(e, InsufficientData):
        return e.needs
    return [f"as {problem.where} {problem.expected}" for problem in e.errors]


def _refusal(gpu: str, tensor: int, data: int, why: str) -> dict[str, Any]:
    return {"gpu": gpu, "parallelism": {"tensor": tensor, "data": data}, "why": why}


def settings_of(params: CapacityParams, *, hashed: bool) -> Settings:
    """What is tried.

    Raises:
        InsufficientData: prefix-aware routing is asked for, and no prompt says its blocks.
    """

    def listed(value: Any) -> Sequence[Any]:
        return value if isinstance(value, tuple | list) else (value,)

    usual = (*ROUTINGS, *(["prefix-aware"] if hashed else []))
    routings = listed(params.routing) if params.routing else usual
    if "prefix-aware" in routings and not hashed:
        raise InsufficientData(
            "prefix-aware routing needs to know what prompts have in common",
            needs=["prefix_hashes"],
        )
    return Settings(
        max_num_seqs=sorted(set(listed(params.max_num_seqs))),
        max_num_batched_tokens=sorted(set(listed(params.max_num_batched_tokens))),
        routings=routings,
        memory_share=params.memory_share,
    )


def _gpu(name: str, where: str) -> GpuSpec:
    try:
        return known_gpu(name)
    except NotFound as e:
        problem = Problem(
            where=where, problem="is not a known GPU", got=name,
            expected="one of " + ", ".join(sorted(GPUS)),
        )  # fmt: skip
        raise InvalidInput(e.detail, [problem]) from e


def _shapes(model: ModelSpec, most: int) -> list[tuple[int, int]]:
    """Tensor-parallel widths that divide the heads; data-parallel ranks for mixtures alone."""
    tensor = [w for w in _WIDTHS if w <= most and model.heads % w == 0]
    data = [w for w in _WIDTHS if w <= most and (w == 1 or model.experts > 1)]
    return [(t, d) for t in tensor for d in data if t * d <= most]
