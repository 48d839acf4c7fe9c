"""What runs where: a model on GPUs with an engine's settings, as a run's own record states it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from netra.analysis.compiled import Floats, Int64s
from netra.analysis.serving.known import known_gpu, known_model
from netra.analysis.serving.roofline import Efficiencies, Parallelism, Roofline
from netra.analysis.serving.settings import EngineSettings, Fleet
from netra.analysis.serving.simulator import Service, simulate
from netra.analysis.serving.step_time import StepTable
from netra.errors import InvalidInput, Problem

_BLOCK_TOKENS = 16
_MEMORY_SHARE = 0.9


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One replica, with the step times of an uncalibrated roofline."""

    roofline: Roofline
    engine: EngineSettings
    #: Whether the bandwidth of the links is a measured one rather than the published.
    link_measured: bool = False

    @property
    def has_links(self) -> bool:
        """Whether GPUs send to each other at all."""
        return self.roofline.parallelism.gpus > 1

    def table(self, efficiencies: Efficiencies) -> StepTable:
        """The step times with these efficiencies."""
        roofline = dataclasses.replace(self.roofline, efficiencies=efficiencies)
        return roofline.tabulate(
            max_tokens=self.engine.max_num_batched_tokens,
            max_sequences=self.engine.max_num_seqs,
        )

    def serve(
        self,
        arrival_s: Floats,
        input_tokens: Int64s,
        output_tokens: Int64s,
        efficiencies: Efficiencies,
    ) -> Service:
        """What becomes of the requests on this replica."""
        return simulate(
            arrival_s,
            input_tokens,
            output_tokens,
            fleet=Fleet(engine=self.engine),
            table=self.table(efficiencies),
        )


def deployment_of(
    meta: Mapping[str, Any], *, gpu: str, link_gbs: float | None = None
) -> Deployment:
    """The deployment that a run's record describes (`engine_kwargs`, `kv_cache`, …).

    Where the record does not state the size of the KV cache, it follows from the memory that the
    weights leave.

    Args:
        meta: the record.
        gpu: a known GPU.
        link_gbs: what a link between GPUs achieves, in GB/s (as `nccl-tests` report it as bus
            bandwidth); None: the share of the published bandwidth is fitted with the rest.

    Raises:
        InvalidInput: the record lacks a setting.
        NotFound: the model or the GPU is not known; the error names those that are.
        InsufficientData: the model does not fit on the GPUs.
    """
    kwargs = _section(meta, "engine_kwargs")
    spec = known_gpu(gpu)
    if link_gbs is not None:
        if not link_gbs > 0:
            raise InvalidInput(f"a link of {link_gbs} GB/s")
        spec = dataclasses.replace(spec, link_bytes_per_s=link_gbs * 1e9)
    roofline = Roofline(
        model=known_model(str(kwargs.get("model"))),
        gpu=spec,
        parallelism=Parallelism(
            tensor=_count(kwargs, "tensor_parallel_size", 1),
            data=_count(kwargs, "data_parallel_size", 1),
        ),
    )
    return Deployment(
        roofline=roofline,
        engine=_engine(meta, kwargs, roofline),
        link_measured=link_gbs is not None,
    )


def _engine(
    meta: Mapping[str, Any], kwargs: Mapping[str, Any], roofline: Roofline
) -> EngineSettings:
    cache = _section(meta, "kv_cache", optional=True)
    resolved = _section(meta, "resolved_config", optional=True)
    scheduler = _section(resolved, "scheduler_config", optional=True)
    block = _count(cache, "block_size", _BLOCK_TOKENS)
    share = cache.get("gpu_memory_utilization") or _MEMORY_SHARE
    blocks = cache.get("num_gpu_blocks") or roofline.kv_tokens(share) // block
    return EngineSettings(
        max_num_seqs=_count(kwargs, "max_num_seqs"),
        max_num_batched_tokens=_count(kwargs, "max_num_batched_tokens"),
        kv_blocks=int(blocks),
        block_tokens=block,
        # vLLM schedules asynchronously unless told otherwise since 0.14.
        async_scheduling=bool(scheduler.get("async_scheduling", True)),
        prefix_caching=bool(cache.get("enable_prefix_caching", True)),
        ranks=roofline.parallelism.data,
    )


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
