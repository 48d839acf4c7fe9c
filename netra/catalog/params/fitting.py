"""Parameters of the agent that calibrates a model of a serving engine on the engine's log."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from netra.catalog.params.base import Params
from netra.errors import InvalidInput, Problem

_Count = Annotated[int, Meta(ge=1)]


class ServingFitParams(Params, frozen=True, kw_only=True):
    """Settings of the engine are named as vLLM names them; they override those of `meta`."""

    #: The run's own record: `engine_kwargs`, and `kv_cache` and `resolved_config` where known.
    meta: Annotated[dict[str, Any] | None, Meta(extra={"file": "json"})] = None
    #: The GPU, by name; by default what `meta` says of its hardware.
    gpu: str | None = None
    #: The model as Hugging Face names it.
    model: str | None = None
    tensor_parallel_size: _Count | None = None
    data_parallel_size: _Count | None = None
    max_num_seqs: _Count | None = None
    max_num_batched_tokens: _Count | None = None
    #: Blocks of the KV cache, and the tokens of one.
    num_gpu_blocks: _Count | None = None
    block_size: _Count | None = None
    gpu_memory_utilization: Annotated[float, Meta(gt=0, le=1)] | None = None
    quantization: str | None = None
    kv_cache_dtype: str | None = None
    #: Step times to start from: of the roofline, or of kernels that were measured on such GPUs
    #: (`pip install netra[gpu-profiles]`), which know models that the roofline does not.
    step_times: Literal["roofline", "profiles"] = "roofline"
    #: Fit the first so large a share of the requests by arrival, and score the others.
    split: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    #: Fit instead what had happened when so many requests were finished, and score the others.
    until_completion: _Count | None = None
    #: Another run on such GPUs, to be predicted and scored instead, and its record.
    predict: Annotated[list[dict[str, Any]] | None, Meta(extra={"file": "events"})] = None
    predict_meta: Annotated[dict[str, Any] | None, Meta(extra={"file": "json"})] = None
    #: What a link between the GPUs achieves, GB/s; None: its share of the published is fitted.
    #: Of the roofline alone.
    link_gbs: Annotated[float, Meta(gt=0)] | None = None
    #: At most so many requests are read, the first by arrival: each is simulated some hundred
    #: times.
    limit: Annotated[int, Meta(ge=100, le=1_000_000)] = 20_000

    def check(self, where: str) -> None:
        if (self.predict is None) != (self.predict_meta is None):
            missing = "predict" if self.predict is None else "predict_meta"
            given = "predict_meta" if self.predict is None else "predict"
            wrong = Problem(where=f"{where}.{missing}", problem=f"is needed beside {given}")
            raise InvalidInput("a run to be predicted needs its log and its record", [wrong])
