"""The package's step times in the separable form that simulators read (`StepTable`).

    tokens_s[T] + sequences_s[S] + kv_s[S] * K + pair_s * A

Sampled on grids, between whose points times are taken to be linear. Of decode steps the time over
the contexts' length is a line for each number of sequences: its slope is kv_s, its value at no
context is what tokens and sequences take. Of prompts, the slope over pairs at a given number of
tokens is pair_s. Small steps take tokens_s from decoding, larger ones from reading prompts; what
decoding takes beyond that is sequences_s. How far sums of these are from direct calls: `fidelity`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from netra.analysis.serving.step_time import StepTable

if TYPE_CHECKING:
    from netra.analysis.compiled import Floats
    from netra.gpu_profiles.engine import Engine
    from netra.gpu_profiles.store import Arrays

_SEQUENCES: Final = (
    *(1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256),
    *(288, 320, 384, 448, 512, 576, 640, 768, 896, 1024),
)
_CONTEXTS: Final = (64, 256, 1024, 2048, 4096, 8192, 16384)
#: Up to here a step's tokens are mostly decoded; from the next point on mostly of prompts.
_DECODED: Final = 256
_PROMPTS: Final = (
    *(320, 384, 448, 512, 576, 640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072),
    *(3584, 4096, 5120, 6144, 7168, 8192, 10240, 12288, 14336, 16384),
)
#: Prompts so short that they have hardly any pairs.
_SHORT: Final = 64
_BEFORE: Final = (0, 2048, 8192)
#: Prompts and their length, of steps that are compared with the table.
_READ: Final = ((1, 600), (1, 950), (1, 1700), (1, 3300), (1, 6500), (3, 700), (6, 900))


def sampled(engine: Engine) -> Arrays:
    """What a table of any size is made of: some 200 calls of the package."""
    sequences = np.array(_SEQUENCES, np.float64)
    base, slope = np.empty_like(sequences), np.empty_like(sequences)
    for i, count in enumerate(_SEQUENCES):
        base[i], slope[i] = _line(
            np.array(_CONTEXTS, np.float64) * count,
            np.array([engine.decode_ms(count, c) for c in _CONTEXTS]) / 1e3,
        )
    tokens = np.array(_PROMPTS, np.float64)
    short = np.array([engine.prefill_ms(t // _SHORT, _SHORT) for t in _PROMPTS]) / 1e3
    pair_s = _pair_s(engine, short)
    prompts = np.maximum(short - pair_s * tokens * _SHORT / 2, 0.05 * short)
    small = sequences <= _DECODED
    axis = np.concatenate([sequences[small], tokens])
    tokens_s = np.maximum.accumulate(np.concatenate([base[small], prompts]))
    extra = np.maximum(base - np.interp(sequences, axis, tokens_s), 0.0)
    found = {
        "tokens": axis,
        "tokens_s": tokens_s,
        "sequences": sequences,
        "sequences_s": extra,
        "kv_s": slope,
        "pair_s": np.array([pair_s]),
    }
    apart = fidelity(engine, table_of(found, max_tokens=8192, max_sequences=512))
    return found | {"apart": apart}


def table_of(arrays: Arrays, *, max_tokens: int, max_sequences: int) -> StepTable:
    """A table of that size; beyond the grid times go on as in its upper half."""
    tokens = np.arange(max_tokens + 1, dtype=np.float64)
    sequences = np.arange(max_sequences + 1, dtype=np.float64)
    kv_s = np.interp(sequences, arrays["sequences"], arrays["kv_s"])
    extra = _extended(sequences, arrays["sequences"], arrays["sequences_s"])
    extra[0] = 0.0
    return StepTable(
        tokens_s=_extended(tokens, arrays["tokens"], arrays["tokens_s"]),
        sequences_s=extra,
        kv_s=kv_s,
        pair_s=float(arrays["pair_s"][0]),
    )


def fidelity(engine: Engine, table: StepTable) -> Floats:
    """|log(table / direct call)| of steps between the grid's points, decoding and reading."""
    apart: list[float] = []
    for count in (1, 3, 12, 40, 80, 150, 220, 300, 450):
        for context in (200, 700, 1500, 3000, 6000):
            tabulated = table.step_s(
                tokens=count, sequences=count, kv_tokens=count * context, pairs=0
            )
            apart.append(abs(np.log(tabulated / (engine.decode_ms(count, context) / 1e3))))
    for prompts, length in (
        (1, 600),
        (1, 900),
        (1, 1800),
        (1, 3500),
        (1, 7000),
        (3, 700),
        (6, 900),
    ):
        tokens = prompts * length
        tabulated = table.step_s(
            tokens=tokens, sequences=prompts, kv_tokens=0, pairs=tokens * length / 2
        )
        apart.append(abs(np.log(tabulated / (engine.prefill_ms(prompts, length) / 1e3))))
    return np.array(apart)


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """The line of least squares of relative errors, neither part of it negative."""
    weights = 1.0 / y
    slope, value = np.polyfit(x, y, 1, w=weights)
    if slope < 0:
        return float(np.average(y, weights=weights)), 0.0
    if value <= 0:
        return float(y.min()), float(slope)
    return float(value), float(slope)


def _pair_s(engine: Engine, short: Floats) -> float:
    """How much longer a step takes for each pair more, by relative least squares."""
    pairs, more, weights = [], [], []
    for i, tokens in enumerate(_PROMPTS):
        if tokens < 1024 or tokens > 8192:
            continue
        for before in _BEFORE:
            took = engine.prefill_ms(1, tokens, before) / 1e3
            pairs.append(tokens * (before + tokens / 2) - tokens * _SHORT / 2)
            more.append(took - short[i])
            weights.append(1.0 / took)
    x, y, w = np.array(pairs), np.array(more), np.array(weights)
    return max(float(np.sum(w**2 * x * y) / np.sum(w**2 * x**2)), 0.0)


def _extended(at: Floats, axis: Floats, values: Floats) -> Floats:
    middle = int(np.searchsorted(axis, axis[-1] / 2))
    slope = max((values[-1] - values[middle]) / (axis[-1] - axis[middle]), 0.0)
    beyond = np.maximum(at - axis[-1], 0.0) * slope
    return np.interp(at, axis, values) + beyond
