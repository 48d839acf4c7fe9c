"""The simulator against the real vLLM runs: within each run, and from one model to another.

Beside each error stands that of carrying the past mean forward, and beside the figures within a
run the processor time that the first fit took.
"""

from __future__ import annotations

import json
import time
from typing import Any

from netra.analysis.serving.fit_report import FittedRun, fit_run
from tests.unit.analysis.serving.runs import LINK_GBS, PAIRS, RUNS, load

#: The completion before which everything is fitted, where unfinished requests are scored.
_COMPLETIONS = 75


def vllm() -> dict[str, Any]:
    """Each run: fitted on the first half, and on all events before the 75th completion."""
    found: dict[str, Any] = {}
    for run in RUNS:
        began, busy = time.perf_counter(), time.process_time()
        halves = fit_run(*load(run))
        took_s, cpu_s = time.perf_counter() - began, time.process_time() - busy
        unfinished = fit_run(*load(run), until_completion=_COMPLETIONS)
        found[run] = _rounded(halves) | {
            "unfinished": _rounded(unfinished),
            "fit_s": round(took_s, 3),
            "fit_cpu_s": round(cpu_s, 3),
        }
        print(f"{run}: {json.dumps(found[run])}")
    return found


def cross() -> dict[str, Any]:
    """Each model from the other's run on the same GPUs, with the bandwidth of their link."""
    found: dict[str, Any] = {}
    for source, target in PAIRS:
        fitted = fit_run(*load(source, LINK_GBS), other=load(target, LINK_GBS))
        found[f"{source}->{target}"] = _rounded(fitted) | {"link_gbs": LINK_GBS}
        print(f"{source}->{target}: {json.dumps(found[f'{source}->{target}'])}")
    return found


def _rounded(fitted: FittedRun) -> dict[str, Any]:
    def rounded(errors: dict[str, float | None]) -> dict[str, float | None]:
        return {name: None if e is None else round(e, 4) for name, e in errors.items()}

    of_latency = {"of": fitted.ttft_p90_error_of_mean_latency}
    return {
        "relative_error": rounded(fitted.relative_error),
        "ttft_p90_error_of_mean_latency": rounded(of_latency)["of"],
        "carry_forward_error": rounded(fitted.carried.over(fitted.measured)),
    }
