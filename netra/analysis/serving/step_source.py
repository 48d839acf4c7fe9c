"""Whoever knows the step times of a deployment: what searches, calibrations and reports ask of it.

Implementations: the analytic roofline (`roofline.py`), tabulated profiles of kernels that were
measured on the GPU (`netra.gpu_profiles`), and a calibration on top of either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from netra.analysis.serving.step_time import StepTable


@dataclass(frozen=True, kw_only=True)
class ErrorBand:
    """How far predicted times are from measured ones: deviations of log(measured / predicted).

    Two of three measurements lie within one deviation: predicted / e^d to predicted * e^d. Bias
    is included, so the band is centred on the prediction.
    """

    #: Of the time per output token.
    tpot: float
    #: Of the time to first token, queueing of the measured server included.
    ttft: float
    #: What was compared with what, in words that a report can print.
    basis: str
    #: Measurements that the deviations rest on.
    n: int

    def __post_init__(self) -> None:
        """Raises:
        ValueError: a deviation is negative, or rests on nothing.
        """
        if not (self.tpot >= 0 and self.ttft >= 0 and self.n >= 1):
            raise ValueError(f"no error band: {self.tpot}, {self.ttft}, n = {self.n}")


@dataclass(frozen=True, kw_only=True)
class StepOrigin:
    """Where step times come from, and for what they hold."""

    #: Short name of the source: `roofline`, `aiconfigurator`; with `+calibration` behind it.
    source: str
    model: str
    gpu: str
    #: GPUs that share each layer, and engine ranks in lockstep (`Parallelism`).
    tensor: int = 1
    data: int = 1
    error: ErrorBand
    #: What a reader may want to know besides: versions, publications, quantisation.
    detail: str = ""

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tensor * self.data


class StepTimes(Protocol):
    """The step times of one engine rank of a model on GPUs of one kind."""

    @property
    def origin(self) -> StepOrigin:
        """Where they come from, and for what they hold."""
        ...

    def tabulate(self, *, max_tokens: int, max_sequences: int) -> StepTable:
        """The times of all steps of up to so many tokens and sequences."""
        ...

    def kv_tokens(self, memory_share: float = 0.9) -> int:
        """How many tokens the KV cache of one rank holds.

        Args:
            memory_share: what the server may use of the memory (`gpu_memory_utilization`).

        Raises:
            InsufficientData: the weights leave no room.
        """
        ...
