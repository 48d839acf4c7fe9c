"""Step times that somebody else knows, adjusted to an engine: each part by a factor, and overheads.

For sources whose times are tables rather than formulas (profiles of kernels): what a calibration
can say of them is how much slower or faster each of the four parts of a step is on the user's own
server, and what its software adds. Cost of a table: that of the source.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netra.analysis.serving.step_source import StepOrigin, StepTimes
from netra.analysis.serving.step_time import StepTable


@dataclass(frozen=True, kw_only=True)
class Factors:
    """What the parts of a step are multiplied with, and overheads that are added.

    The defaults, means of a prior, take the source at its word; profiles hold kernels alone, so
    that launches and bookkeeping come on top, as in `Efficiencies`.
    """

    #: Of what depends on the tokens in a step, on its sequences, on KV tokens read, on pairs.
    tokens: float = 1.0
    sequences: float = 1.0
    kv: float = 1.0
    pairs: float = 1.0
    #: Seconds of a step whatever is in it, and for each sequence in it.
    step_s: float = 1.0e-3
    sequence_s: float = 1.0e-5


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """A source of step times with factors."""

    steps: StepTimes
    factors: Factors = Factors()

    @property
    def origin(self) -> StepOrigin:
        """Where the times that are adjusted come from."""
        return self.steps.origin

    def tabulate(self, *, max_tokens: int, max_sequences: int) -> StepTable:
        """The adjusted times of all steps of up to so many tokens and sequences."""
        table = self.steps.tabulate(max_tokens=max_tokens, max_sequences=max_sequences)
        f = self.factors
        sequences = np.arange(len(table.sequences_s), dtype=np.float64)
        return StepTable(
            tokens_s=f.step_s + f.tokens * table.tokens_s,
            sequences_s=f.sequence_s * sequences + f.sequences * table.sequences_s,
            kv_s=f.kv * table.kv_s,
            pair_s=f.pairs * table.pair_s,
        )

    def kv_tokens(self, memory_share: float = 0.9) -> int:
        """How many tokens the KV cache of one rank holds, as the source knows it."""
        return self.steps.kv_tokens(memory_share)
