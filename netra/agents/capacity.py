"""The cheapest fleet of GPUs that holds latency limits on the trace itself.

In a job the search fans out: a stage for each GPU, and one that merges. `netra analyze` does all
of it in one process. Both ways give the same answer.
"""

from __future__ import annotations

from typing import Any

import msgspec

from netra.agents.base import Child, Context, FanOut, Inputs, StageResult
from netra.agents.capacity_planning import recommending, searching, sizing
from netra.agents.capacity_planning.findings import Findings
from netra.agents.capacity_planning.fleets import (
    evaluated_json,
    fleet_json,
    limit_name,
    percentiles_ms,
)
from netra.agents.capacity_planning.hardware import (
    Hardware,
    find_hardware,
    known_calibration,
    named_model,
)
from netra.agents.capacity_planning.manifests import (
    kubernetes,
    routing_note,
    vllm_command,
    vllm_flags,
)
from netra.agents.capacity_planning.requests import Requests, read_requests
from netra.agents.capacity_planning.searching import FIT, WHOLE, Question
from netra.agents.capacity_planning.section import chosen_section, infeasible_section
from netra.agents.profiling.sourced import Sourced, as_json
from netra.analysis.serving.search.binding import binding
from netra.analysis.serving.search.evaluation import Evaluation, serve
from netra.analysis.serving.search.fleet_search import Found
from netra.analysis.serving.search.limits import METRICS, Limit
from netra.catalog.params.capacity import CapacityParams
from netra.errors import InsufficientData
from netra.schemas.report import Change, Section

METHOD = (
    "the trace replayed through a simulation of vLLM v1's continuous batching for each fleet,"
    " in order of cost; fleets passed over only by lower bounds that hold in every schedule"
)


def run(inputs: Inputs, params: CapacityParams, context: Context) -> StageResult:
    """Searches, or hands out the search, or merges what it found.

    Raises:
        InvalidInput: the model or a GPU is not known; the error names those that are.
        InsufficientData: the trace or the prices cannot support an answer; says what is missing.
        StageCancelled: the stage was asked to stop.
    """
    named_model(params)
    limits = limits_of(params)
    requests = read_requests(inputs, context, limits)
    calibration = known_calibration(params, inputs.upstream)
    hardware = find_hardware(params, requests.trace, inputs.supply, calibration, inputs.profiles)
    question, cut = question_of(params, requests, limits)
    if params.stage == "part":
        part = _restored_or_searched(question, hardware, context)
        return StageResult(content={"part": part})
    if params.stage == "merge":
        parts = [p["part"] for p in inputs.parts if "part" in p]
        if not parts:
            raise InsufficientData("no part of the search has a result", needs=["GPUs to search"])
    else:
        gpus = sorted({c.gpu for c in hardware.configurations})
        if inputs.job_id and params.fan_out and len(gpus) > 1:
            return _fanned_out(question, hardware, gpus)
        parts = [_restored_or_searched(question, hardware, context)]
    return StageResult(content=_answer(inputs, context, question, requests, hardware, parts, cut))


def limits_of(params: CapacityParams) -> list[Limit]:
    """The limits as they are given, without the margin."""
    found: list[Limit] = []
    for name, ms in params.limits_ms().items():
        metric, percent, _ = name.split("_")
        found.append(
            Limit(
                metric=next(m for m in METRICS if m == metric),
                q=int(percent[1:]) / 100,
                seconds=ms / 1e3,
            )
        )
    return found


def question_of(
    params: CapacityParams, requests: Requests, limits: list[Limit]
) -> tuple[Question, int]:
    """What is searched for, and the first request of the later part."""
    trace = requests.trace
    cut = trace.between(float(trace.arrival_s[0]) + params.fit_share * trace.span_s, 0.0)[0]
    traces = {WHOLE: trace}
    if 0 < cut < len(trace):
        traces[FIT] = trace.head(cut)
    tightened = [limit.tightened(params.margin) for limit in limits]
    return Question(traces=traces, limits=tightened, params=params), cut


def _restored_or_searched(
    question: Question, hardware: Hardware, context: Context
) -> dict[str, Any]:
    """The search of this stage; an earlier attempt may have done it."""
    state = context.restored
    if isinstance(state, dict) and set(question.traces) <= set(state):
        return state
    part = searching.search_part(question, hardware.configurations, context)
    context.checkpoint(part)
    return part


def _fanned_out(question: Question, hardware: Hardware, gpus: list[str]) -> StageResult:
    """A stage for each GPU, none of which looks beyond the cost of a fleet that holds."""
    bound = searching.cost_bound(question, hardware.configurations)
    given = {
        name: value
        for name, value in msgspec.to_builtins(question.params).items()
        if value is not None
    }
    children = [
        Child(
            name=gpu,
            agent="capacity",
            params=given
            | {"stage": "part", "gpus": [gpu]}
            | ({"usd_per_hour_at_most": bound} if bound else {}),
        )
        for gpu in gpus
    ]
    merge = Child(name="merge", agent="capacity", params=given | {"stage": "merge"})
    return StageResult(
        content={"gpus": gpus, "usd_per_hour_at_most": bound},
        fan_out=FanOut(children=children, merge=merge),
    )


def _answer(
    inputs: Inputs,
    context: Context,
    question: Question,
    requests: Requests,
    hardware: Hardware,
    parts: list[dict[str, Any]],
    cut: int,
) -> dict[str, Any]:
    params = question.params
    found = searching.merged(question, WHOLE, parts, hardware.configurations)
    content = _common(question, requests, hardware, found)
    findings = Findings(
        requests=requests,
        limits=limits_of(params),
        tightened=question.limits,
        margin=params.margin,
        model=params.model,
        found=found,
        content=content,
        sourced=Sourced(inputs.workload.id),
        method=METHOD,
    )
    if found.cheapest is None:
        return _told(content, infeasible_section(findings))
    best = found.cheapest.candidate
    context.progress(0.65, "how sure the size is")
    seed = context.seed if params.seed is None else params.seed
    length = requests.trace.kv_tokens_needed + 1
    content["step_time_band"] = sizing.band_of(
        question, requests, best, hardware.origin_of(best).error
    )
    schedule = sizing.schedule_of(question, requests, best, context)
    content["schedule"] = sizing.schedule_json(schedule, requests, params.startup_s)
    context.progress(0.75, "resampled traces")
    content["intervals"] = sizing.intervals_of(question, requests, best, context, seed)
    on_fit = (
        searching.merged(question, FIT, parts, hardware.configurations)
        if FIT in question.traces
        else found
    )
    content["backtest"] = sizing.backtest_of(question, requests, on_fit, cut, length)
    around = sizing.by_replicas(question, requests, best)
    occupancy = serve(requests.trace, best).occupancy
    if params.current:
        content |= recommending.against_current(
            question, requests, hardware, on_fit, cut, findings, inputs.supply,
            known_calibration(params, inputs.upstream),
        )  # fmt: skip
    return _told(content, chosen_section(findings, schedule, occupancy, around))


def _told(content: dict[str, Any], section: Section) -> dict[str, Any]:
    if "vllm" in content:
        changes = (
            Change(kind="vllm", content=content["vllm"]["command"]),
            Change(kind="kubernetes", content=content["kubernetes"]),
        )
        section = msgspec.structs.replace(section, changes=changes)
    return content | {"answer": section.says, "section": as_json(section)}


def _common(
    question: Question, requests: Requests, hardware: Hardware, found: Found
) -> dict[str, Any]:
    """What is answered whether or not a fleet holds."""
    params = question.params
    length = requests.trace.kv_tokens_needed + 1
    share = params.memory_share
    best = found.cheapest
    limits = limits_of(params)
    content: dict[str, Any] = {
        "answer": "",
        "feasible": best is not None,
        "fleet": fleet_json(best.candidate, share, length) if best else None,
        "cost_usd_per_hour": best.candidate.usd_per_hour if best else None,
        "percentiles": percentiles_ms(best) if best else None,
        "limits": {
            limit_name(limit): {
                "limit_ms": 1e3 * limit.seconds,
                "less_margin_ms": 1e3 * tight.seconds,
                "value_ms": 1e3 * best.values[i] if best else None,
            }
            for i, (limit, tight) in enumerate(zip(limits, question.limits, strict=True))
        },
        "margin": params.margin,
        "front": sizing.front_json(found, share, length),
        "binding": [
            {
                "limit": limit_name(m.limit),
                "value_ms": 1e3 * m.seconds,
                "limit_ms": 1e3 * m.limit.seconds / (1.0 - params.margin),
                "less_margin_ms": 1e3 * m.limit.seconds,
                "over": m.over,
                "fleet": fleet_json(m.fleet.candidate, share, length),
                "cost_usd_per_hour": m.fleet.candidate.usd_per_hour,
            }
            for m in binding(
                requests.trace,
                found,
                question.limits,
                hardware.configurations,
                question.scope,
            )
        ],
        "closest": evaluated_json(found.closest, share, length) if found.closest else None,
        "search": {
            "candidates": found.candidates,
            "simulated": found.simulated,
            "ruled_out": found.ruled_out,
        },
        "requests": requests.as_json(),
        "model": {"name": params.model, "specification": hardware.model.name},
        "prices": [p.offer.as_json() for p in hardware.priced],
        "refused": hardware.refused,
        "step_times": _step_times(hardware, best or found.closest),
        "method": METHOD,
        "assumptions": _assumptions(question, requests) + hardware.notes,
    }
    if best:
        flags = vllm_flags(
            best.candidate, memory_share=share, max_model_len=length, weights=params.weights
        )
        content["vllm"] = {"flags": flags, "command": vllm_command(params.model, flags)}
        content["kubernetes"] = kubernetes(params.model, best.candidate, flags)
        content["routing"] = routing_note(best.candidate.configuration.routing)
    return content


def _of_prefixes(requests: Requests) -> str:
    """What is said of prefix caches."""
    if requests.unhashed_why:
        return f"no hit in a prefix cache between requests is counted on: {requests.unhashed_why}"
    return (
        f"hits in prefix caches are simulated from the block hashes of {requests.hashed:,} of"
        f" {len(requests.trace):,} requests; answers are not cached for later prompts"
    )


def _step_times(hardware: Hardware, shown: Evaluation | None) -> dict[str, Any]:
    """Where step times come from, by GPU, and the error band of the fleet that is shown."""
    sources: dict[str, list[str]] = {}
    for (gpu, _, _), origin in hardware.origins.items():
        if origin.source not in sources.setdefault(gpu, []):
            sources[gpu].append(origin.source)
    named = {gpu: " or ".join(found) for gpu, found in sources.items()}
    if shown is None:
        return {"sources": named}
    origin = hardware.origin_of(shown.candidate)
    error = origin.error
    return {
        "sources": named,
        "source": origin.source,
        "detail": origin.detail,
        "error": {
            "tpot": error.tpot,
            "ttft": error.ttft,
            "basis": error.basis,
            "n": error.n,
        },
    }


def _assumptions(question: Question, requests: Requests) -> list[str]:
    params = question.params
    said = [
        f"{params.margin:.0%} of each limit is kept free",
        _of_prefixes(requests),
        "arrivals and lengths are those of the trace, whatever serves them",
        f"a server uses {params.memory_share:.0%} of a GPU's memory, less its weights and 2 GB",
        "--max-model-len is what the longest request of the trace needs: longer ones are refused",
        f"a replica that is switched on serves after {params.startup_s:g} s (schedule only)",
    ]
    said += [f"{n:,} events are left out: {why}" for why, n in requests.left_out.items()]
    if not requests.anchored:
        said.append("times are relative: windows are parts of the trace, not hours of a day")
    elif requests.trace.span_s < 2 * 86400:
        said.append("less than two days of traffic: no hour of the day is claimed to be typical")
    return said
