"""Profiles as sources of step times: tabulated once, corrected where silicon says how."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from netra.analysis.serving.step_source import StepOrigin
from netra.analysis.serving.step_time import StepTable
from netra.gpu_profiles.correcting import Silicon, silicon
from netra.gpu_profiles.engine import Deployed, Engine
from netra.gpu_profiles.installed import DISTRIBUTION, SYSTEMS, system_of, version
from netra.gpu_profiles.silicon import Measurement, architecture_of
from netra.gpu_profiles.store import Arrays, Store, default_folder
from netra.gpu_profiles.tabulating import sampled, table_of

SOURCE: Final = "aiconfigurator"
#: Changed when what is tabulated from the same package changes.
_EDITION: Final = 1
#: Loads at which the correction is taken: the mean over these goes into the table.
_SEQUENCES: Final = (4, 8, 16, 32, 64, 128)
_INPUT, _OUTPUT = 1024, 1024
#: What formats of weights are called there.
_FORMATS: Final = {
    "as-named": "",
    "fp8": "fp8",
    "int8": "int8_wo",
    "int4": "int4_wo",
    "nvfp4": "nvfp4",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """The step times of one rank, as `StepTimes`."""

    deployed: Deployed
    arrays: Arrays
    origin: StepOrigin
    #: What all times are multiplied with.
    factor: float

    def tabulate(self, *, max_tokens: int, max_sequences: int) -> StepTable:
        """The times of all steps of up to so many tokens and sequences."""
        table = table_of(self.arrays, max_tokens=max_tokens, max_sequences=max_sequences)
        return StepTable(
            tokens_s=table.tokens_s * self.factor,
            sequences_s=table.sequences_s * self.factor,
            kv_s=table.kv_s * self.factor,
            pair_s=table.pair_s * self.factor,
        )

    def kv_tokens(self, memory_share: float = 0.9) -> int:
        """How many tokens the KV cache of one rank holds.

        Raises:
            InsufficientData: the weights leave no room.
        """
        engine = Engine(self.deployed)
        return engine.kv_tokens(memory_share, max_tokens=8192, max_sequences=256)

    @property
    def apart(self) -> float:
        """The median deviation of the table from direct calls of the package, relative."""
        return float(np.median(self.arrays["apart"]))


class GpuProfiles:
    """The profiles of the installed package."""

    def __init__(self, folder: Path | None = None) -> None:
        self._store = Store(folder or default_folder())

    @cached_property
    def silicon(self) -> Silicon:
        return silicon(self._store)

    def step_times(
        self,
        model: str,
        gpu: str,
        *,
        tensor: int = 1,
        data: int = 1,
        weights: str = "as-named",
        engine: str = "vllm",
    ) -> Profile:
        """The step times of a model on GPUs of one kind.

        Args:
            weights: the format of weights, or as the model's files say.
            engine: `vllm`, `sglang` or `trtllm`.

        Raises:
            NotFound: the model or the GPU ships with no profile; the error names those that do.
            InsufficientData: the extra is not installed, or holds no data for this deployment.
        """
        mode = _FORMATS[weights]
        # Experts lie over all ranks, as the roofline has it; one rank shares them by tensors.
        deployed = Deployed(
            model=model,
            gpu=gpu,
            engine=engine,
            tensor=tensor,
            data=data,
            expert_tensor=1 if data > 1 else tensor,
            expert_ranks=tensor * data if data > 1 else 1,
            gemm=mode,
            experts=mode,
        )
        # Refused before the disk is asked.
        architecture, system = architecture_of(model), system_of(gpu)
        key = {"what": "table", "package": version(), "edition": _EDITION} | deployed.as_key()
        arrays = self._store.get(key, lambda: sampled(Engine(deployed)))
        asked = Measurement(
            deployed=dataclasses.replace(deployed, gpu=system),
            architecture=architecture,
            version="not said",
            input_tokens=_INPUT,
            output_tokens=_OUTPUT,
            concurrency=1,
            ttft_ms=1.0,
            tpot_ms=1.0,
        )
        factor = float(np.exp(self.silicon.log_factor(asked, _SEQUENCES)))
        return Profile(
            deployed=deployed,
            arrays=arrays,
            factor=factor,
            origin=StepOrigin(
                source=SOURCE,
                model=model,
                gpu={there: ours for ours, there in SYSTEMS.items()}.get(system, gpu),
                tensor=tensor,
                data=data,
                error=self.silicon.error(asked),
                detail=f"{DISTRIBUTION} {version()}, {engine}, weights {weights}; times multiplied"
                f" with {factor:.2f} as measured servers say"
                if factor != 1.0
                else f"{DISTRIBUTION} {version()}, {engine}, weights {weights}; not corrected:"
                " no server with this model was measured",
            ),
        )
