"""How long one step of a serving engine takes: the protocol, and the table that simulators read.

A step runs one token of every decoding sequence and chunks of the prompts that are being read.
Its time is a sum of four terms, so that a run of steps in which only the contexts grow is an
arithmetic series, which the simulator adds up at once:

    tokens_s[T] + sequences_s[S] + kv_s[S] * K + pair_s * A

    T  tokens in the step (decoded ones and those of prompts)
    S  sequences in the step
    K  KV tokens that the step reads: the contexts of its sequences
    A  pairs (prompt token, token that it attends to)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from netra.analysis.compiled import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class StepTable:
    """The step times of one engine rank; all in seconds."""

    #: By the tokens in the step, 0 to the token budget: overheads, weights, products, links.
    tokens_s: Floats
    #: By the sequences in the step, 0 to the most that run at once: sampling, bookkeeping.
    sequences_s: Floats
    #: For each KV token read, by the sequences in the step; same shape as `sequences_s`.
    kv_s: Floats
    #: For each pair of a prompt token and a token that it attends to.
    pair_s: float

    def __post_init__(self) -> None:
        """Raises:
        ValueError: a shape is wrong, or a time is negative, NaN or infinite.
        """
        if self.tokens_s.ndim != 1 or self.sequences_s.ndim != 1 or len(self.tokens_s) < 2:
            raise ValueError("step times need one axis, and at least one token")
        if self.kv_s.shape != self.sequences_s.shape or len(self.kv_s) < 2:
            raise ValueError(f"kv_s is of shape {self.kv_s.shape}, not {self.sequences_s.shape}")
        for name in ("tokens_s", "sequences_s", "kv_s", "pair_s"):
            values = np.asarray(getattr(self, name))
            if not bool(np.all(np.isfinite(values) & (values >= 0))):
                raise ValueError(f"{name} holds a time that is negative or not finite")
        if float(self.tokens_s[1:].min()) <= 0:
            raise ValueError("a step takes no time")

    def step_s(self, *, tokens: int, sequences: int, kv_tokens: int, pairs: float) -> float:
        """The time of one step."""
        return float(
            self.tokens_s[tokens]
            + self.sequences_s[sequences]
            + self.kv_s[sequences] * kv_tokens
            + self.pair_s * pairs
        )


class StepTime(Protocol):
    """Whatever knows the step times of one engine: a roofline, a profile, a calibration."""

    def tabulate(self, *, max_tokens: int, max_sequences: int) -> StepTable:
        """The times of all steps of up to so many tokens and sequences."""
        ...
