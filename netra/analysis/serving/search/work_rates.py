"""The least time that steps can take, as rates that hold for every step of an engine.

Any step of T tokens in S sequences over K KV tokens and A pairs takes

    tokens_s[T] + sequences_s[S] + kv_s[S] K + pair_s A
      >= (step + token T) + sequence S + kv K + pair A

for every line `step + token T` that lies nowhere above `tokens_s`, with `sequence` the least of
sequences_s[S] / S and `kv` the least of kv_s. Whatever shares a step with a request makes it no
shorter, so what follows for one request alone holds in every schedule.

Cost: O(tokens x lines) a table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netra.analysis.compiled import Floats
from netra.analysis.serving.step_time import StepTable

#: At how many token counts a line is laid against the step times.
_LINES = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class WorkRates:
    """Lower bounds of the parts of a step's time, all in seconds."""

    #: Lines under the time by tokens: of each, its value at 0 tokens and its slope; shape (lines,).
    step: Floats
    token: Floats
    #: For each sequence in a step, each KV token read, each pair.
    sequence: float
    kv: float
    pair: float
    #: The least a step with any token can take, without its KV reads and pairs.
    least: float


def work_rates(table: StepTable, *, max_tokens: int, max_sequences: int) -> WorkRates:
    """The rates of an engine that puts at most so many tokens and sequences into a step."""
    tokens = np.arange(1, max_tokens + 1, dtype=np.float64)
    by_tokens = table.tokens_s[1 : max_tokens + 1]
    by_sequences = table.sequences_s[1 : max_sequences + 1]
    sequences = np.arange(1, max_sequences + 1, dtype=np.float64)
    at = np.unique(np.rint(np.geomspace(1, max_tokens, _LINES)).astype(np.int64))
    slopes = np.diff(by_tokens[at - 1]) / np.diff(at)
    slopes = np.unique(np.maximum(np.append(slopes, (by_tokens / tokens).min()), 0.0))
    slopes = np.append(slopes, 0.0)
    heights = np.array([float((by_tokens - slope * tokens).min()) for slope in slopes])
    lies_above = heights >= 0.0
    return WorkRates(
        step=heights[lies_above],
        token=slopes[lies_above],
        sequence=float((by_sequences / sequences).min()),
        kv=float(table.kv_s[1 : max_sequences + 1].min()),
        pair=table.pair_s,
        least=float(by_tokens.min() + by_sequences.min()),
    )
