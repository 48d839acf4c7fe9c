"""Profiles against measured servers: the share of bar 3 in `benchmarks/serving.py`.

Rows: `netra.gpu_profiles.silicon` says which are clean. Held out by configuration: all rows of one
(architecture, GPU, engine, quantisation, layout) - all loads, all versions of the engine - lie in
the same of ten folds, and are predicted by what was fitted on the other nine. Never-seen models:
all rows of one architecture left out; the corrector then corrects nothing, by rule.

Picks: of the deployments of one architecture under one (input, output), all GPUs, engines, layouts,
quantisations and loads, the one with most output tokens a second and GPU whose TPOT holds a limit
of 10, 15, 20, 30, 50 or 100 ms. Cases have five candidates or more, of which some hold the limit as
measured, and some do not. Predictions are of held-out configurations; the margin of safety on TPOT
is the least with which, with 95 % confidence, no more than 10 % of picks break the limit in the
training folds, where again each configuration is predicted without itself. Throughput: the pick's
over the best that holds the limit, both as measured, mean over cases, 0 where nothing is picked.
`picks_by_gpu`: each GPU is a case of its own. `frontier`: what any number of foretold deviations
would have come to on the scored rows (z, share of violations, throughput); no rule may read it.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from netra.analysis.serving.correction import TPOT, TTFT, fit_corrector
from netra.analysis.serving.safe_choice import Case, least_cautious, outcome
from netra.gpu_profiles.correcting import codes_of, configurations_of, silicon
from netra.gpu_profiles.profiles import GpuProfiles
from netra.gpu_profiles.silicon import Measurement
from netra.gpu_profiles.store import Store

_FOLDS = 10
_LIMITS_MS = (10, 15, 20, 30, 50, 100)
_LEAST_CANDIDATES = 5
#: Of picks that break their limit.
_VIOLATIONS = 0.10
#: Margins of the frontier, in deviations.
_MARGINS = tuple(round(0.1 * step, 1) for step in range(16))
#: What the table of a simulator is compared on.
_TABULATED = (
    ("meta-llama/Llama-3.1-70B", "h100", 2, "fp8"),
    ("Qwen/Qwen3-32B", "h200", 1, "as-named"),
    ("Qwen/Qwen3-30B-A3B", "b200", 1, "as-named"),
    ("Qwen/Qwen3-8B", "rtxpro6000", 1, "as-named"),
)


def silicon_accuracy() -> dict[str, Any]:
    """The figures under the key `silicon`."""
    with tempfile.TemporaryDirectory() as folder:
        known = silicon(Store(Path(folder)))
        tables = {
            f"{model} on {tensor} x {gpu}": round(
                GpuProfiles(Path(folder)).step_times(
                    model, gpu, tensor=tensor, weights=weights
                ).apart, 4
            )
            for model, gpu, tensor, weights in _TABULATED
        }  # fmt: skip
    rows, raw = known.rows, known.predicted
    ttft = np.array([row.ttft_ms for row in rows])
    tpot = np.array([row.tpot_ms for row in rows])
    codes = codes_of(rows)
    conditions, configuration = codes.conditions(rows), configurations_of(rows)
    folds = np.random.default_rng(0).permutation(int(configuration.max()) + 1)[configuration]
    folds %= _FOLDS
    corrected = raw.copy()
    cautious = {name: raw[:, 1].copy() for name in ("all", "by_gpu")}
    deviation = np.empty(len(rows))
    throughput = _throughput(rows, ttft, tpot)
    for fold in range(_FOLDS):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        inner = raw[train].copy()
        known_of, asked = conditions.rows(train), conditions.rows(test)
        for column, (measured, spread) in enumerate(((ttft, TTFT), (tpot, TPOT))):
            log_ratio = np.log(measured[train] / raw[train, column])
            fitted = fit_corrector(known_of, log_ratio, configuration[train], spread)
            corrected[test, column] *= np.exp(fitted.log_factor(asked))
            inner[:, column] *= np.exp(fitted.left_out)
        # The last that was fitted is of times per output token.
        deviation[test] = fitted.deviation(asked)
        learning = [rows[i] for i in train]
        for name in cautious:
            z = least_cautious(
                _cases(learning, tpot[train], by_gpu=name == "by_gpu"),
                predicted=inner[:, 1],
                deviation=fitted.left_out_deviation,
                throughput=_throughput(learning, inner[:, 0], inner[:, 1]),
                measured=tpot[train],
                measured_throughput=throughput[train],
                violation_share=_VIOLATIONS,
            )
            cautious[name][test] = corrected[test, 1] * np.exp(z * deviation[test])
    predicted = _throughput(rows, corrected[:, 0], corrected[:, 1])
    found: dict[str, Any] = {
        "rows": len(rows),
        "configurations": int(configuration.max()) + 1,
        "tpot_median_ape": _median_ape(corrected[:, 1], tpot),
        "tpot_mean_ape": _mean_ape(corrected[:, 1], tpot),
        "ttft_median_ape": _median_ape(corrected[:, 0], ttft),
        "ttft_mean_ape": _mean_ape(corrected[:, 0], ttft),
        "unseen_tpot_median_ape": _unseen(conditions.model, raw[:, 1], tpot, rows),
        "uncorrected": {
            "tpot_median_ape": _median_ape(raw[:, 1], tpot),
            "tpot_mean_ape": _mean_ape(raw[:, 1], tpot),
            "ttft_median_ape": _median_ape(raw[:, 0], ttft),
            "ttft_mean_ape": _mean_ape(raw[:, 0], ttft),
        },
        "tabulation_median_deviation": tables,
    }
    uncorrected = _throughput(rows, raw[:, 0], raw[:, 1])
    for name, times in cautious.items():
        cases = _cases(rows, tpot, by_gpu=name == "by_gpu")
        ours, theirs = (
            outcome(
                cases,
                cautious=safe,
                throughput=expected,
                measured=tpot,
                measured_throughput=throughput,
            )
            for safe, expected in ((times, predicted), (raw[:, 1], uncorrected))
        )
        frontier: list[tuple[float, float, float]] = []
        for z in _MARGINS:
            at = outcome(
                cases,
                cautious=corrected[:, 1] * np.exp(z * deviation),
                throughput=predicted,
                measured=tpot,
                measured_throughput=throughput,
            )
            frontier.append((z, round(at.violation_share, 4), round(at.throughput_of_oracle, 4)))
        figures = {
            "pick_violation_share": round(ours.violation_share, 4),
            "pick_throughput_of_oracle": round(ours.throughput_of_oracle, 4),
        }
        detail = {key: _rounded(value) for key, value in asdict(ours).items()}
        beside = {
            "uncorrected_violation_share": round(theirs.violation_share, 4),
            "uncorrected_throughput_of_oracle": round(theirs.throughput_of_oracle, 4),
            "frontier": frontier,
        }
        if name == "all":
            found |= figures | {"picks": detail | beside}
        else:
            found["picks_by_gpu"] = figures | detail | beside
    print(f"silicon: {json.dumps(found)}")
    return found


def _cases(rows: Sequence[Measurement], tpot: Any, *, by_gpu: bool) -> list[Case]:
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        gpu = (row.deployed.gpu,) if by_gpu else ()
        groups[(row.architecture, row.input_tokens, row.output_tokens, *gpu)].append(i)
    found: list[Case] = []
    for members in groups.values():
        own = np.array(members)
        for limit in _LIMITS_MS:
            held = int(np.count_nonzero(tpot[own] <= limit))
            if len(own) >= _LEAST_CANDIDATES and 0 < held < len(own):
                found.append(Case(rows=own, limit=float(limit)))
    return found


def _throughput(rows: Sequence[Measurement], ttft: Any, tpot: Any) -> Any:
    """Output tokens a second and GPU: all requests are always in, each takes TTFT and its steps."""
    output = np.array([row.output_tokens for row in rows])
    concurrency = np.array([row.concurrency for row in rows])
    gpus = np.array([row.gpus for row in rows])
    return 1e3 * concurrency * output / (ttft + tpot * (output - 1)) / gpus


def _unseen(model: Any, raw: Any, tpot: Any, rows: Sequence[Measurement]) -> float:
    """Each architecture by a corrector whose rows know nothing of it."""
    predicted = raw.copy()
    codes = codes_of(rows)
    for one in np.unique(model):
        train, test = np.flatnonzero(model != one), np.flatnonzero(model == one)
        fitted = fit_corrector(
            codes.conditions([rows[i] for i in train]),
            np.log(tpot[train] / raw[train]),
            configurations_of([rows[i] for i in train]),
            TPOT,
        )
        predicted[test] *= np.exp(fitted.log_factor(codes.conditions([rows[i] for i in test])))
    return _median_ape(predicted, tpot)


def _median_ape(predicted: Any, measured: Any) -> float:
    return round(float(np.median(np.abs(predicted / measured - 1))), 4)


def _mean_ape(predicted: Any, measured: Any) -> float:
    return round(float(np.mean(np.abs(predicted / measured - 1))), 4)


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    print(json.dumps({"silicon": silicon_accuracy()}))
