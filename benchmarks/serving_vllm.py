"""The simulator against the real vLLM runs: within each run, and from one model to another."""

from __future__ import annotations

import json
import time
from typing import Any

from netra.analysis.serving.fit_report import serving_fit
from tests.unit.analysis.serving.runs import LINK_GBS, RUNS, load

_PAIRS = (
    ("rtxpro6000-llama-3.1-8b", "rtxpro6000-qwen3-32b"),
    ("rtxpro6000-qwen3-32b", "rtxpro6000-llama-3.1-8b"),
)


def vllm() -> dict[str, Any]:
    """Each run: fitted on the first half, and on all events before the 75th completion."""
    found: dict[str, Any] = {}
    for run in RUNS:
        began = time.perf_counter()
        halves = serving_fit(*load(run))
        fit_s = time.perf_counter() - began
        unfinished = serving_fit(*load(run), until_completion=75)
        found[run] = _rounded(halves) | {
            "unfinished": _rounded(unfinished),
            "fit_s": round(fit_s, 3),
        }
        print(f"{run}: {json.dumps(found[run])}")
    return found


def cross() -> dict[str, Any]:
    """Each model from the other's run on the same GPUs, with the bandwidth of their link."""
    found: dict[str, Any] = {}
    for source, target in _PAIRS:
        report = serving_fit(*load(source, LINK_GBS), other=load(target, LINK_GBS))
        found[f"{source}->{target}"] = _rounded(report) | {"link_gbs": LINK_GBS}
        print(f"{source}->{target}: {json.dumps(found[f'{source}->{target}'])}")
    return found


def _rounded(report: dict[str, Any]) -> dict[str, Any]:
    def rounded(errors: dict[str, float]) -> dict[str, float]:
        return {name: round(error, 4) for name, error in errors.items()}

    return {
        "relative_error": rounded(report["relative_error"]),
        "ttft_p90_error_of_mean_latency": round(report["ttft_p90_error_of_mean_latency"], 4),
        "carry_forward_error": rounded(report["carry_forward_error"]),
    }
