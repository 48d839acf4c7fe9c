"""The record of a run as parameters give it: its `meta`, and settings that override it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from netra.agents.base import StepProfiles
from netra.analysis.serving.deployment import Deployment, deployment_of
from netra.analysis.serving.known import known_gpu, known_model
from netra.analysis.serving.specs import GpuSpec, ModelSpec
from netra.catalog.params import ServingFitParams
from netra.errors import InsufficientData, InvalidInput, NotFound, Problem

#: Parameters that are settings of the engine.
_SETTINGS = (
    *("model", "tensor_parallel_size", "data_parallel_size", "max_num_seqs"),
    *("max_num_batched_tokens", "num_gpu_blocks", "block_size", "gpu_memory_utilization"),
    *("quantization", "kv_cache_dtype"),
)


def fitted_deployment(params: ServingFitParams, profiles: StepProfiles | None) -> Deployment:
    """What the fitted run ran on.

    Raises:
        InvalidInput, NotFound, InsufficientData: see `deployment_of` and `StepProfiles`; no GPU is
            named; or the record names another GPU or model than the parameters.
    """
    meta: dict[str, Any] = dict(params.meta or {})
    given = {name: getattr(params, name) for name in _SETTINGS}
    kwargs = _stated(meta) | {name: value for name, value in given.items() if value is not None}
    if not kwargs:
        wrong = Problem(
            where="params.meta",
            problem="is needed, or the settings themselves",
            expected="an object with engine_kwargs; or model, max_num_seqs, max_num_batched_tokens",
        )
        raise InvalidInput("nothing says how the engine was set", [wrong])
    gpu = params.gpu or _device(meta)
    _same_gpu("gpu", gpu, meta, "the record says that the engine ran on another GPU")
    for where, stated in (("model", params.model), ("engine_kwargs.model", kwargs.get("model"))):
        for other in (meta.get("model"), _stated(meta).get("model")):
            _same_model(where, stated, other)
    return _deployment(meta | {"engine_kwargs": kwargs}, gpu, params, profiles)


def predicted_deployment(
    params: ServingFitParams, source: Deployment, profiles: StepProfiles | None
) -> Deployment:
    """What the run that is to be predicted ran on: GPUs of the same kind, with the same links.

    Raises:
        InvalidInput: it ran on another GPU, or its record names two models; and as above.
    """
    meta, gpu = params.predict_meta or {}, source.steps.origin.gpu
    problem = "the predicted run was on another GPU; no transfer between GPUs is claimed"
    _same_gpu("predict_meta.hardware.device_name", gpu, meta, problem)
    _same_model("predict_meta.engine_kwargs.model", _stated(meta).get("model"), meta.get("model"))
    return _deployment(meta, gpu, params, profiles)


def _same_gpu(where: str, gpu: str, meta: Mapping[str, Any], problem: str) -> None:
    """Refuses a GPU that is known to be another one than the record's; what is not known never."""
    hardware = meta.get("hardware")
    device = hardware.get("device_name") if isinstance(hardware, Mapping) else None
    given, recorded = _known(known_gpu, gpu), _known(known_gpu, device)
    if given and recorded and given != recorded:
        wrong = Problem(where=where, problem=problem, got=gpu, expected=f"{recorded} ({device})")
        if where != "gpu":
            wrong = Problem(where=where, problem=problem, got=device, expected=given)
        raise InvalidInput(f"{gpu} is not {device}", [wrong])


def _same_model(where: str, stated: Any, recorded: Any) -> None:
    """Refuses a model that is known to be another one than the record's."""
    given, other = _known(known_model, stated), _known(known_model, recorded)
    if given and other and given != other:
        problem = "the record says that the engine served another model"
        wrong = Problem(where=where, problem=problem, got=stated, expected=recorded)
        raise InvalidInput(f"{stated} is not {recorded}", [wrong])


def _known(find: Callable[[str], GpuSpec | ModelSpec], name: Any) -> str | None:
    """What a name is the name of, if that is known."""
    if not isinstance(name, str):
        return None
    try:
        return find(name).name
    except NotFound:
        return None


def _deployment(
    meta: Mapping[str, Any], gpu: str, params: ServingFitParams, profiles: StepProfiles | None
) -> Deployment:
    if params.step_times == "roofline":
        return deployment_of(meta, gpu=gpu, link_gbs=params.link_gbs)
    if profiles is None:
        raise InsufficientData(
            "nobody here reads profiles of kernels", needs=["pip install netra[gpu-profiles]"]
        )
    kwargs = _stated(meta)
    steps = profiles.step_times(
        str(kwargs.get("model") or meta.get("model")),
        gpu,
        tensor=kwargs.get("tensor_parallel_size") or 1,
        data=kwargs.get("data_parallel_size") or 1,
    )
    return deployment_of(meta, gpu=gpu, steps=steps)


def _stated(meta: Mapping[str, Any]) -> dict[str, Any]:
    stated = meta.get("engine_kwargs")
    return dict(stated) if isinstance(stated, Mapping) else {}


def _device(meta: Mapping[str, Any]) -> str:
    hardware = meta.get("hardware")
    name = hardware.get("device_name") if isinstance(hardware, Mapping) else None
    if isinstance(name, str):
        return name
    wrong = Problem(where="params.gpu", problem="is needed: the record names no device")
    raise InvalidInput("nothing says which GPU the engine ran on", [wrong])
