"""What runs where: a model on GPUs with an engine's settings, as a run's own record states it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from netra.analysis.compiled import Floats, Int64s
from netra.analysis.serving.known import known_gpu, known_model, with_format
from netra.analysis.serving.roofline import Efficiencies, Parallelism, Roofline
from netra.analysis.serving.scaled import Factors, Scaled
from netra.analysis.serving.settings import EngineSettings, Fleet
from netra.analysis.serving.simulator import Service, simulate
from netra.analysis.serving.specs import ModelSpec
from netra.analysis.serving.step_source import StepTimes
from netra.analysis.serving.step_time import StepTable
from netra.errors import InvalidInput, Problem

_BLOCK_TOKENS = 16
_MEMORY_SHARE = 0.9
#: By what a `quantization` contains, the format of the weights.
_QUANTIZATIONS = {
    "fp8": "fp8",
    "fp4": "nvfp4",
    "awq": "int4",
    "gptq": "int4",
    "int8": "int8",
}


#: What a calibration adjusts: a roofline's efficiencies, or factors on anybody else's times.
Adjustment = Efficiencies | Factors


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One replica, with step times that are not calibrated."""

    steps: StepTimes
    engine: EngineSettings
    #: Whether the size of the KV cache is what a server reported, rather than an estimate.
    kv_stated: bool = True
    #: Whether the bandwidth of the links is a measured one rather than the published.
    link_measured: bool = False

    @property
    def has_links(self) -> bool:
        """Whether GPUs send to each other at all."""
        return self.steps.origin.gpus > 1

    def adjusted(self, adjustment: Adjustment) -> StepTimes:
        """The step times with this adjustment.

        Raises:
            TypeError: a roofline has efficiencies, all others have factors.
        """
        if isinstance(adjustment, Efficiencies):
            if not isinstance(self.steps, Roofline):
                raise TypeError(f"{self.steps.origin.source} has no efficiencies")
            return dataclasses.replace(self.steps, efficiencies=adjustment)
        return Scaled(steps=self.steps, factors=adjustment)

    def table(self, adjustment: Adjustment) -> StepTable:
        """The step times with this adjustment, up to the engine's limits."""
        return self.adjusted(adjustment).tabulate(
            max_tokens=self.engine.max_num_batched_tokens,
            max_sequences=self.engine.max_num_seqs,
        )

    def serve(
        self,
        arrival_s: Floats,
        input_tokens: Int64s,
        output_tokens: Int64s,
        adjustment: Adjustment,
    ) -> Service:
        """What becomes of the requests on this replica."""
        return simulate(
            arrival_s,
            input_tokens,
            output_tokens,
            fleet=Fleet(engine=self.engine),
            table=self.table(adjustment),
        )


def deployment_of(
    meta: Mapping[str, Any],
    *,
    gpu: str,
    link_gbs: float | None = None,
    steps: StepTimes | None = None,
) -> Deployment:
    """The deployment that a run's record describes (`engine_kwargs`, `kv_cache`, …).

    Where the record does not state the size of the KV cache, it follows from the memory that the
    weights leave.

    Args:
        meta: the record.
        gpu: a known GPU.
        link_gbs: what a link between GPUs achieves, in GB/s (as `nccl-tests` report it as bus
            bandwidth); None: the share of the published bandwidth is fitted with the rest.
        steps: step times of this model on these GPUs from another source than the roofline.

    Raises:
        InvalidInput: the record lacks a setting.
        NotFound: the model or the GPU is not known; the error names those that are.
        InsufficientData: the model does not fit on the GPUs.
    """
    kwargs = _settings(meta)
    _refuse_unsimulated(kwargs)
    if steps is not None:
        return Deployment(steps=steps, engine=_engine(kwargs, steps), kv_stated=_stated(kwargs))
    spec = known_gpu(gpu)
    if link_gbs is not None:
        if not link_gbs > 0:
            raise InvalidInput(f"a link of {link_gbs} GB/s")
        spec = dataclasses.replace(spec, link_bytes_per_s=link_gbs * 1e9)
    roofline = Roofline(
        model=_model(meta, kwargs),
        gpu=spec,
        parallelism=Parallelism(
            tensor=_count(kwargs, "tensor_parallel_size", 1),
            data=_count(kwargs, "data_parallel_size", 1),
        ),
    )
    roofline.check_weights_fit()
    return Deployment(
        steps=roofline,
        engine=_engine(kwargs, roofline),
        kv_stated=_stated(kwargs),
        link_measured=link_gbs is not None,
    )


def _settings(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the engine was started with; below it, what it made of what was not stated."""
    resolved = _section(meta, "resolved_config", optional=True)
    found: dict[str, Any] = {}
    for name in ("model_config", "cache_config", "parallel_config", "scheduler_config"):
        found |= {k: v for k, v in _section(resolved, name, optional=True).items() if v is not None}
    cache = _section(meta, "kv_cache", optional=True)
    found |= {k: v for k, v in cache.items() if v is not None}
    found |= {k: v for k, v in _section(meta, "engine_kwargs").items() if v is not None}
    if (speculative := resolved.get("speculative_config")) is not None:
        found.setdefault("speculative_config", speculative)
    return found


def _model(meta: Mapping[str, Any], kwargs: Mapping[str, Any]) -> ModelSpec:
    """The model, with the formats of its weights and of its KV cache."""
    model = known_model(str(kwargs.get("model") or meta.get("model")))
    quantization = str(kwargs.get("quantization") or "").lower()
    if quantization and model.weight_bytes == 2.0:
        for fragment, weights in _QUANTIZATIONS.items():
            if fragment in quantization:
                model = with_format(model, weights)
                break
        else:
            wrong = Problem(
                where="quantization",
                problem="is not one whose speed is known",
                got=quantization,
                expected="one with " + ", ".join(_QUANTIZATIONS) + " in its name",
            )
            raise InvalidInput("the run's weights are in an unknown format", [wrong])
    dtype = str(kwargs.get("dtype") or "auto").removeprefix("torch.").lower()
    if dtype not in ("auto", "bfloat16", "float16", "half"):
        wrong = Problem(
            where="dtype",
            problem="is not simulated",
            got=dtype,
            expected="auto, bfloat16, float16 or half",
        )
        raise InvalidInput(f"a model computed in {dtype}", [wrong])
    cached = str(kwargs.get("kv_cache_dtype") or kwargs.get("cache_dtype") or "auto").lower()
    if "fp8" in cached or "int8" in cached:
        model = dataclasses.replace(model, kv_number_bytes=1.0)
    return model


def _refuse_unsimulated(kwargs: Mapping[str, Any]) -> None:
    """Raises InvalidInput naming the settings that change what an engine does, and that the
    simulation does not follow."""
    wrong = [
        Problem(where=name, problem=f"{what} is not simulated", got=kwargs[name], expected=expected)
        for name, neutral, what, expected in (
            ("pipeline_parallel_size", (1,), "pipeline parallelism", "1"),
            ("decode_context_parallel_size", (1,), "context parallelism", "1"),
            ("prefill_context_parallel_size", (1,), "context parallelism", "1"),
            ("speculative_config", (), "speculative decoding", "none"),
            ("enable_chunked_prefill", (True,), "a prompt read in one piece", "true"),
        )
        if name in kwargs and kwargs[name] not in neutral
    ]
    if wrong:
        raise InvalidInput("the run used what the simulation does not know", wrong)


def _engine(kwargs: Mapping[str, Any], steps: StepTimes) -> EngineSettings:
    block = _count(kwargs, "block_size", _BLOCK_TOKENS)
    share = kwargs.get("gpu_memory_utilization", _MEMORY_SHARE)
    if not isinstance(share, int | float) or not 0 < share <= 1:
        wrong = Problem(where="gpu_memory_utilization", problem="is no share", got=share)
        raise InvalidInput("the run's record has no usable gpu_memory_utilization", [wrong])
    blocks = _stated_blocks(kwargs)
    return EngineSettings(
        max_num_seqs=_count(kwargs, "max_num_seqs"),
        max_num_batched_tokens=_count(kwargs, "max_num_batched_tokens"),
        kv_blocks=int(blocks or steps.kv_tokens(share) // block),
        block_tokens=block,
        # vLLM schedules asynchronously unless told otherwise since 0.14, say its release notes.
        async_scheduling=bool(kwargs.get("async_scheduling", True)),
        prefix_caching=bool(kwargs.get("enable_prefix_caching", True)),
        ranks=steps.origin.data,
    )


def _stated_blocks(kwargs: Mapping[str, Any]) -> Any:
    return kwargs.get("num_gpu_blocks_override") or kwargs.get("num_gpu_blocks")


def _stated(kwargs: Mapping[str, Any]) -> bool:
    return bool(_stated_blocks(kwargs))


def _section(meta: Mapping[str, Any], name: str, *, optional: bool = False) -> Mapping[str, Any]:
    found = meta.get(name)
    if isinstance(found, Mapping):
        return cast(Mapping[str, Any], found)
    if optional:
        return {}
    raise InvalidInput(
        f"the run's record has no {name}",
        [Problem(where=name, problem="is missing, or is no object", got=found)],
    )


def _count(section: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = section.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, int) and value >= 1:
        return value
    wrong = Problem(where=name, problem="is no count", got=value, expected="a whole number from 1")
    raise InvalidInput(f"the run's record has no usable {name}", [wrong])
