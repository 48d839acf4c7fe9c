"""The proposal of a fleet, where it is known what serves today: both on the same requests."""

from __future__ import annotations

import hashlib
from typing import Any

from netra.agents.capacity_planning.findings import COLUMNS, Findings, fleet_words
from netra.agents.capacity_planning.fleets import fleet_json, percentiles_ms
from netra.agents.capacity_planning.hardware import Hardware, priced_gpus, step_times
from netra.agents.capacity_planning.manifests import kubernetes, vllm_flags
from netra.agents.capacity_planning.requests import Requests
from netra.agents.capacity_planning.searching import Question
from netra.agents.profiling.sourced import as_json
from netra.analysis.serving.calibrated import EngineCalibration
from netra.analysis.serving.known import known_gpu
from netra.analysis.serving.search.configuration import Candidate
from netra.analysis.serving.search.evaluation import evaluate, evaluation_of, serve
from netra.analysis.serving.search.fleet_search import Found
from netra.analysis.serving.search.offers import Replica, Settings, configurations_of
from netra.catalog.supply import SupplyCatalog
from netra.errors import InsufficientData, InvalidInput, NotFound
from netra.schemas.figure import Figure
from netra.schemas.report import Change, Recommendation


def against_current(
    question: Question,
    requests: Requests,
    hardware: Hardware,
    on_fit: Found,
    cut: int,
    of: Findings,
    supply: SupplyCatalog | None,
    calibration: EngineCalibration | None,
) -> dict[str, Any]:
    """`{"current": …, "recommendations": […]}`.

    Proposed is the fleet that was chosen on the first part of the time, if it costs less than
    what serves today and holds the limits on the requests after it.

    Raises:
        InvalidInput: the GPU that serves today is not known.
    """
    current = _current(question, requests, hardware, supply, calibration)
    if isinstance(current, str):
        return {"current": {"status": "insufficient_data", "detail": current}}
    length = requests.trace.kv_tokens_needed + 1
    share = question.params.memory_share
    today = evaluate(requests.trace, current, question.limits)
    content: dict[str, Any] = {
        "current": {
            "status": "ok",
            **fleet_json(current, share, length),
            "cost_usd_per_hour": current.usd_per_hour,
            "percentiles": percentiles_ms(today),
            "holds": today.holds,
        }
    }
    if on_fit.cheapest is None or not 0 < cut < len(requests.trace):
        return content
    chosen = on_fit.cheapest.candidate
    saved = current.usd_per_hour - chosen.usd_per_hour
    later = evaluation_of(
        serve(requests.trace, chosen), chosen, question.limits, (cut, len(requests.trace))
    )
    if saved <= 0 or later.stress * (1.0 - question.params.margin) > 1.0:
        return content
    content["recommendations"] = [
        as_json(_proposal(question, requests, current, chosen, saved, later.values, cut, of))
    ]
    return content


def _proposal(
    question: Question,
    requests: Requests,
    current: Candidate,
    chosen: Candidate,
    saved: float,
    later: tuple[float, ...],
    cut: int,
    of: Findings,
) -> Recommendation:
    params = question.params
    length = requests.trace.kv_tokens_needed + 1
    fleet = fleet_json(chosen, params.memory_share, length)
    flags = vllm_flags(
        chosen, memory_share=params.memory_share, max_model_len=length, weights=params.weights
    )
    n, verify = len(requests.trace), len(requests.trace) - cut

    def usd(label: str, value: float, n: int, method: str, where: dict[str, Any]) -> Figure:
        return Figure(
            label=label, value=value, unit="USD/h", n=n, method=method,
            source=of.sourced.within(where).source(COLUMNS),
        )  # fmt: skip

    evidence = tuple(
        Figure(
            label=f"{limit.metric} p{100 * limit.q:g} on requests that the choice has not seen",
            value=1e3 * value,
            unit="ms",
            n=verify,
            method=of.method,
            source=of.sourced.within({"part": "verify"}).source(COLUMNS),
        )
        for limit, value in zip(question.limits, later, strict=True)
    )
    priced = "replicas x GPUs x price of the supply catalog or the job's parameters"
    return Recommendation(
        id="capacity-" + hashlib.sha256(repr(fleet).encode()).hexdigest()[:8],
        lever="serving_fleet",
        title=f"Serve with {fleet_words(fleet)}",
        baseline=usd("Cost of today's fleet", current.usd_per_hour, n, priced, {}),
        projected=usd("Cost of the proposed fleet", chosen.usd_per_hour, n, priced, {}),
        saving=usd("Saved", saved, cut, f"{priced}; chosen on the fit part", {"part": "fit"}),
        backtest=usd(
            "Saved while the limits hold on later requests", saved, verify,
            "prices are fixed: what is tested is that the limits hold on requests that the choice"
            " has not seen",
            {"part": "verify"},
        ),
        evidence=evidence,
        change=Change(kind="kubernetes", content=kubernetes(params.model, chosen, flags)),
        rollback="Scale the deployment of today back up, and this one down.",
        risk="Step times are predicted, not measured on your servers; see their error band.",
        effort="A rollout of the deployment; a load test before traffic moves.",
    )  # fmt: skip


def _current(
    question: Question,
    requests: Requests,
    hardware: Hardware,
    supply: SupplyCatalog | None,
    calibration: EngineCalibration | None,
) -> Candidate | str:
    """Today's fleet, or why it cannot be judged."""
    today = question.params.current
    assert today is not None
    try:
        gpu = known_gpu(today.gpu)
    except NotFound as e:
        raise InvalidInput(e.detail, e.errors) from e
    usd = today.usd_per_gpu_hour
    if usd is None:
        try:
            priced = priced_gpus(question.params, supply)
        except InsufficientData as e:
            return e.detail
        usd = next((p.offer.usd_per_hour for p in priced if p.gpu.name == gpu.name), None)
        if usd is None:
            return f"no price is known of {gpu.name}: give usd_per_gpu_hour"
    replica = Replica(
        gpu=gpu.name, tensor=today.tensor, data=today.data,
        times=step_times(hardware.model, gpu, today.tensor, today.data, calibration),
        usd_per_hour=usd * today.tensor * today.data,
    )  # fmt: skip
    settings = Settings(
        max_num_seqs=(today.max_num_seqs,),
        max_num_batched_tokens=(today.max_num_batched_tokens,),
        routings=(today.routing,),
        memory_share=question.params.memory_share,
    )
    configured = configurations_of(replica, requests.trace, settings)
    if not configured.configurations:
        return configured.refused or "max_num_batched_tokens is below max_num_seqs"
    return Candidate(configuration=configured.configurations[0], replicas=today.replicas)
