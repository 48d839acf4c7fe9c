"""How far the errors on the real vLLM runs depend on the priors.

`python -m benchmarks.serving_priors`. Nothing is chosen by what this prints;
docs/serving-calibration.md quotes it. The last line is one JSON object.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from netra.analysis.serving import calibration
from netra.analysis.serving.calibration import PRIOR, Prior
from netra.analysis.serving.deployment import Deployment
from netra.analysis.serving.fit_report import FittedRun, fit_run
from netra.analysis.serving.roofline import Efficiencies, Roofline
from netra.analysis.serving.run_log import RunLog
from tests.unit.analysis.serving.runs import LINK_GBS, PAIRS, RUNS, load


def main() -> None:
    found: dict[str, Any] = {}
    for name, prior, means, latency in _variants():
        found[name] = _errors(prior, means, latency)
        print(f"{name:32s} {json.dumps(found[name])}", flush=True)
    print(json.dumps(found))


def _variants() -> Iterator[tuple[str, Prior, dict[str, float], float]]:
    yield "as it is", PRIOR, {}, 1.0
    for factor in (0.5, 2.0):
        wider = {name: factor * d for name, d in PRIOR.efficiencies.items()}
        prior = dataclasses.replace(PRIOR, efficiencies=wider)
        yield f"all widths x {factor:g}", prior, {}, 1.0
    for name in PRIOR.efficiencies:
        for factor in (0.5, 2.0):
            one = {**PRIOR.efficiencies, name: factor * PRIOR.efficiencies[name]}
            prior = dataclasses.replace(PRIOR, efficiencies=one)
            yield f"width of {name} x {factor:g}", prior, {}, 1.0
    for residual in (0.02, 0.08):
        yield f"residual {residual:g}", dataclasses.replace(PRIOR, residual=residual), {}, 1.0
    typical = Efficiencies()
    for name in ("weights", "products", "kv", "step_s"):
        for side in (-1, 1):
            moved = getattr(typical, name) * (1 + side * PRIOR.efficiencies[name] / 2)
            yield f"mean of {name} {side / 2:+g} widths", PRIOR, {name: moved}, 1.0
    yield "latency of links x 0.5", PRIOR, {}, 0.5


def _errors(prior: Prior, means: dict[str, float], latency: float) -> dict[str, list[float | None]]:
    """By run or pair: errors of TPOT, latency and p90 TTFT in percent, the latter over the mean
    latency between runs."""
    kept = calibration.default_adjustment
    calibration.default_adjustment = lambda d: dataclasses.replace(kept(d), **means)
    try:
        found = {
            run: _rounded(fit_run(*_changed(*load(run), latency), prior=prior)) for run in RUNS
        }
        for source, target in PAIRS:
            log, deployment = _changed(*load(source, LINK_GBS), latency)
            other = _changed(*load(target, LINK_GBS), latency)
            fitted = fit_run(log, deployment, other=other, prior=prior)
            found[f"{source} -> {target}"] = _rounded(fitted, cross=True)
    finally:
        calibration.default_adjustment = kept
    return found


def _changed(log: RunLog, deployment: Deployment, latency: float) -> tuple[RunLog, Deployment]:
    assert isinstance(deployment.steps, Roofline)
    gpu = deployment.steps.gpu
    gpu = dataclasses.replace(gpu, link_latency_s=gpu.link_latency_s * latency)
    steps = dataclasses.replace(deployment.steps, gpu=gpu)
    return log, dataclasses.replace(deployment, steps=steps)


def _rounded(fitted: FittedRun, *, cross: bool = False) -> list[float | None]:
    errors = fitted.relative_error
    last = fitted.ttft_p90_error_of_mean_latency if cross else errors["ttft_p90"]
    found = (errors["tpot_mean"], errors["latency_mean"], last)
    return [None if e is None else round(100 * e, 1) for e in found]


if __name__ == "__main__":
    main()
