"""The record of a run as parameters give it: its `meta`, and settings that override it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netra.agents.base import StepProfiles
from netra.analysis.serving.deployment import Deployment, deployment_of
from netra.catalog.params import ServingFitParams
from netra.errors import InsufficientData, InvalidInput, Problem

#: Parameters that are settings of the engine.
_SETTINGS = (
    *("model", "tensor_parallel_size", "data_parallel_size", "max_num_seqs"),
    *("max_num_batched_tokens", "num_gpu_blocks", "block_size", "gpu_memory_utilization"),
    *("quantization", "kv_cache_dtype"),
)


def fitted_deployment(params: ServingFitParams, profiles: StepProfiles | None) -> Deployment:
    """What the fitted run ran on.

    Raises:
        InvalidInput, NotFound, InsufficientData: see `deployment_of` and `StepProfiles`; or no
            GPU is named.
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
    return _deployment(meta | {"engine_kwargs": kwargs}, gpu, params, profiles)


def predicted_deployment(
    params: ServingFitParams, source: Deployment, profiles: StepProfiles | None
) -> Deployment:
    """What the run that is to be predicted ran on: GPUs of the same kind, with the same links."""
    return _deployment(params.predict_meta or {}, source.steps.origin.gpu, params, profiles)


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
