"""What the package's step times come to on a server that always has so many requests.

Each rank holds S sequences; whenever one ends, the next prompt is read beside the others. Over the
time of one output, S - 1 prompts of others are read, each of which lengthens a step by what a mixed
step takes longer than one of decoding alone: time per output token = decode + (S - 1) / output x
chunks x (mixed - decode). A first token takes the chunks of its prompt, and half a step of waiting.
Queueing behind other prompts is left out: a correction learns it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from netra.analysis.compiled import Floats
from netra.errors import InsufficientData
from netra.gpu_profiles.engine import Deployed, Engine

if TYPE_CHECKING:
    from netra.gpu_profiles.silicon import Measurement

#: Tokens of prompts in one step at most.
_CHUNK: Final = 8192


def steady_ms(
    engine: Engine, sequences: int, input_tokens: int, output_tokens: int
) -> tuple[float, float]:
    """Time to first token and per output token."""
    context = input_tokens + output_tokens // 2
    decode = engine.decode_ms(sequences, context)
    chunk = min(_CHUNK, input_tokens)
    mixed = engine.mixed_ms(chunk, max(sequences - 1, 1), input_tokens, output_tokens)
    chunks = -(-input_tokens // _CHUNK)
    others = chunks * max(mixed - decode, 0.0) * (sequences - 1) / output_tokens
    return chunks * mixed + decode / 2, decode + others


def predictions_ms(
    measured: Sequence[Measurement], engine_of: Callable[[Deployed], Engine] = Engine
) -> Floats:
    """Of each measurement, time to first token and per output token; shape (n, 2). NaN where the
    package has no data for it."""
    found = np.full((len(measured), 2), np.nan)
    engines: dict[Deployed, Engine | None] = {}
    for i, row in enumerate(measured):
        if row.deployed not in engines:
            try:
                engines[row.deployed] = engine_of(row.deployed)
            except InsufficientData:
                engines[row.deployed] = None
        engine = engines[row.deployed]
        if engine is not None:
            found[i] = steady_ms(engine, row.sequences, row.input_tokens, row.output_tokens)
    return found
