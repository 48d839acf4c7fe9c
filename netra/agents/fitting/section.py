"""What a calibration found, as a chapter of the report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from netra.agents.fitting import fit_charts
from netra.agents.profiling.sourced import Sourced
from netra.analysis.serving.calibrated import EngineCalibration
from netra.analysis.serving.calibration import KV_ROOM, default_adjustment
from netra.analysis.serving.fit_report import LEAST_FOR_P90, FittedRun
from netra.analysis.serving.scaled import Factors
from netra.schemas.figure import Figure
from netra.schemas.report import Section

ID = "serving-fit"
_COLUMNS = ("ts", "input_tokens", "output_tokens", "ttft_ms", "latency_ms")
_METHOD = (
    "predicted / measured - 1; all requests simulated with the fitted step times (vLLM v1's"
    " continuous batching), from arrivals and token counts alone; scored on requests whose times"
    " were not fitted"
)
_CARRIED = (
    "carried / measured - 1; the mean (of TTFT the 90th percentile) of the requests that were"
    " seen to finish, taken for those that were not"
)
#: Key of a figure, what it is called, and in short.
_NAMES = {
    "tpot_mean": ("mean time per output token", "TPOT"),
    "latency_mean": ("mean latency", "latency"),
    "ttft_p90": ("90th percentile of the time to first token", "TTFT p90"),
}

#: What a parameter of a calibration is (`Efficiencies`, `Factors`).
_MEANINGS = {
    "weights": "share of the memory's bandwidth, reading weights",
    "products": "share of the published rate, matrix products",
    "experts": "share of both, in experts",
    "kv": "share of the memory's bandwidth, reading the KV cache",
    "attention": "share of the published rate, attention of prompts",
    "link": "share of the links' bandwidth",
    "latency": "multiple of the links' latency",
    "step_s": "seconds of a step whatever is in it",
    "sequence_s": "seconds for each sequence in a step",
    "tokens": "multiple of what depends on tokens",
    "sequences": "multiple of what depends on sequences",
    "pairs": "multiple of the attention of prompts",
    "kv_room": "multiple of the KV cache that was estimated",
}
_MEANINGS_OF_FACTORS = {"kv": "multiple of what depends on KV tokens"}


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the chapter says beside the fit."""

    workload_id: str
    calibration: EngineCalibration
    #: What was fitted, in words.
    fitted: str
    #: Whether another run was predicted.
    predicts_other: bool
    left_out: int
    #: Requests whose times cannot be.
    disordered: int = 0
    #: Fitted shares of published rates that no GPU reaches.
    implausible: tuple[str, ...] = ()


def fit_section(fitted: FittedRun, told: Told) -> Section:
    """The finding, its figures and its charts."""
    scored = int(np.count_nonzero(fitted.known))
    sourced = Sourced(told.workload_id)
    title = "How well the serving model fits this engine's log"
    table = _parameters(fitted, sourced)
    if not scored:
        return Section(
            id=ID,
            title=title,
            says=f"Fitted to {told.fitted}, but no request of the rest has times: nothing shows how"
            " good the fit is." + _implausible(fitted, told),
            status="insufficient_data",
            needs=("queued, first-token and last-token times of requests that were not fitted",),
            tables=(table,),
        )
    return Section(
        id=ID,
        title=title,
        says=_says(fitted, told, scored),
        figures=tuple(_figures(fitted, sourced, scored)),
        tables=(_errors(fitted, sourced, scored), table),
        charts=fit_charts.charts(fitted, told.predicts_other),
    )


def _says(fitted: FittedRun, told: Told, scored: int) -> str:
    errors, carried = fitted.relative_error, fitted.carried.over(fitted.measured)
    origin = fitted.deployment.steps.origin
    on = f"{origin.model} on {origin.gpus} x {origin.gpu}"
    whom = (
        f"all {scored:,} requests of another run"
        if told.predicts_other
        else (f"the other {scored:,}")
    )
    text = (
        f"Fitted to {told.fitted}, the model of the engine ({on}) predicts {whom}:"
        f" {_listed(errors)}. Carrying the past mean forward instead is off by {_listed(carried)}."
    )
    if told.left_out:
        text += f" {told.left_out:,} events without tokens are left out, and their load with them."
    if told.disordered:
        text += (
            f" {told.disordered:,} requests have tokens before their queue, or the last before the"
            " first: they count as load, and are neither fitted nor scored."
        )
    return text + _implausible(fitted, told)


def _implausible(fitted: FittedRun, told: Told) -> str:
    if not told.implausible:
        return ""
    values = asdict(fitted.calibration.adjustment)
    named = ", ".join(f"{name} {values[name]:.2f}" for name in told.implausible)
    return (
        f" Implausible: {named} of the published rate. The model, its format or the GPU is not"
        " what the record says, so this calibration is not passed on."
    )


def _listed(errors: dict[str, float | None]) -> str:
    known = [(short, errors[name]) for name, (_, short) in _NAMES.items()]
    return ", ".join(f"{short} {_signed(e)}" for short, e in known if e is not None)


def _signed(share: float) -> str:
    return f"{share * 100:+.1f} %".replace("-", "−")


def _figures(fitted: FittedRun, sourced: Sourced, scored: int) -> list[Figure]:
    errors, carried = fitted.relative_error, fitted.carried.over(fitted.measured)
    found: list[Figure] = []
    for name, (label, _) in _NAMES.items():
        for said, error, method in (
            (f"Held-out error of the {label}", errors[name], _METHOD),
            (f"The same, carrying the past forward: {label}", carried[name], _CARRIED),
        ):
            if error is None:
                needs = [_needed(name, scored)]
                found.append(sourced.missing(said, "share", needs, *_COLUMNS))
            else:
                found.append(sourced.exact(said, error, "share", scored, method, *_COLUMNS))
    return found


def _needed(name: str, scored: int) -> str:
    if name == "ttft_p90" and scored < LEAST_FOR_P90:
        return (
            f"at least {LEAST_FOR_P90} requests with times that were not fitted, for a 90th"
            f" percentile; there are {scored}"
        )
    return "requests of more than one output token that were not fitted"


def _errors(fitted: FittedRun, sourced: Sourced, scored: int) -> dict[str, Any]:
    errors, carried = fitted.relative_error, fitted.carried.over(fitted.measured)
    predicted, measured = fitted.predicted.as_json(), fitted.measured.as_json()
    rows = [
        [label, measured[name], predicted[name], errors[name], carried[name]]
        for name, (label, _) in _NAMES.items()
    ]
    return sourced.table(
        "serving-fit-errors",
        "Predicted and measured, of requests that were not fitted",
        [
            ("figure", ""),
            ("measured", "s"),
            ("predicted", "s"),
            ("error", "share"),
            ("error of carrying the past forward", "share"),
        ],
        rows,
        n=scored,
        method=_METHOD,
        reads=_COLUMNS,
    )


def _parameters(fitted: FittedRun, sourced: Sourced) -> dict[str, Any]:
    prior = asdict(default_adjustment(fitted.deployment)) | {KV_ROOM: 1.0}
    values = asdict(fitted.adjustment) | {KV_ROOM: fitted.calibration.kv_room}
    deviations = fitted.calibration.deviations
    factors = isinstance(fitted.adjustment, Factors)
    meanings = _MEANINGS | (_MEANINGS_OF_FACTORS if factors else {})
    rows = [
        [name, meanings[name], prior[name], values[name], deviations[name]]
        for name in values
        if name in deviations
    ]
    return sourced.table(
        "serving-fit-parameters",
        "What was fitted",
        [
            ("parameter", ""),
            ("what it is", ""),
            ("before", "mean of the prior"),
            ("after", "most probable"),
            ("deviation", "of its logarithm"),
        ],
        rows,
        n=fitted.calibration.finished,
        method="least squares with a normal prior on logarithms (docs/serving-calibration.md)",
        reads=_COLUMNS,
    )
