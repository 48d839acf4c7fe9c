"""A model of a serving engine, calibrated on its log and scored on what it was not fitted to."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import msgspec
import numpy as np

from netra.agents.base import Context, Inputs, StageResult
from netra.agents.fitting.log_columns import ReadLog, batches_of, read_log
from netra.agents.fitting.record import fitted_deployment, predicted_deployment
from netra.agents.fitting.section import Told, fit_section
from netra.analysis.serving.calibrated import calibration_of, implausible
from netra.analysis.serving.calibration import default_adjustment, predict, with_kv_room
from netra.analysis.serving.deployment import Deployment
from netra.analysis.serving.fit_report import fit_run
from netra.analysis.serving.run_log import RunLog
from netra.catalog.params import ServingFitParams
from netra.errors import StageCancelled


def run(inputs: Inputs, params: ServingFitParams, context: Context) -> StageResult:
    """Fits, predicts, scores.

    Raises:
        InsufficientData: too few requests have times, or the model does not fit on the GPUs.
        InvalidInput, NotFound: the record lacks a setting, or names a model or GPU not known.
        StageCancelled: the stage was asked to stop.
    """
    deployment = fitted_deployment(params, inputs.profiles)
    context.progress(0.05, "reading the log")
    read = read_log(inputs.events(), params.limit)
    if context.cancelled():
        raise StageCancelled
    other = _other(inputs, params, deployment)
    context.progress(0.2, f"fitting to {len(read.log):,} requests")
    _load_simulator(read.log.first(1), deployment)
    began = time.perf_counter()
    fitted = fit_run(
        read.log,
        deployment,
        split=params.split,
        until_completion=params.until_completion,
        other=other,
    )
    fit_s = time.perf_counter() - began
    calibration = calibration_of(fitted)
    cannot_be = implausible(fitted.calibration.adjustment)
    section = fit_section(
        fitted,
        Told(
            workload_id=inputs.workload.id,
            calibration=calibration,
            fitted=_fitted_part(params, read, fitted.calibration.finished),
            predicts_other=other is not None,
            left_out=read.left_out,
            disordered=read.disordered,
            implausible=tuple(cannot_be),
        ),
    )
    origin = fitted.deployment.steps.origin
    content: dict[str, Any] = fitted.as_json() | {
        "fit_s": round(fit_s, 3),
        "model": origin.model,
        "gpu": origin.gpu,
        "tensor_parallel": origin.tensor,
        "data_parallel": origin.data,
        "requests": len(read.log),
        "left_out": read.left_out,
        "disordered": read.disordered,
        "beyond_limit": read.beyond,
        "own_clock": read.own_clock,
        # What cannot be is nothing to build on: no search takes it along.
        "calibration": None if cannot_be else calibration.as_json(),
        "implausible": cannot_be,
        "figures": {f.label: msgspec.to_builtins(f) for f in section.figures},
        "section": msgspec.to_builtins(section),
    }
    context.progress(1.0)
    return StageResult(content=content)


def _load_simulator(log: RunLog, deployment: Deployment) -> None:
    """Loads the compiled code, or compiles it where no cache of it can be kept: before the clock
    of the fit starts. One token fits any cache: what does not is said of the whole log."""
    one = np.ones(len(log), np.int64)
    log = dataclasses.replace(log, input_tokens=one, output_tokens=one)
    predict(log, with_kv_room(log, deployment, 1.0), default_adjustment(deployment))


def _other(
    inputs: Inputs, params: ServingFitParams, source: Deployment
) -> tuple[RunLog, Deployment] | None:
    if params.predict is None:
        return None
    target = predicted_deployment(params, source, inputs.profiles)
    read = read_log(batches_of(params.predict, "params.predict"), params.limit)
    return read.log, target


def _fitted_part(params: ServingFitParams, read: ReadLog, finished: int) -> str:
    """What was fitted, in words."""
    if params.until_completion is None:
        return f"the first {int(len(read.log) * params.split):,} of {len(read.log):,} requests"
    return f"everything that {len(read.log):,} requests had logged when {finished:,} were finished"
