"""Parameters of the agent that sizes a fleet of GPUs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from netra.catalog.gpu_offers import Term
from netra.catalog.params.base import Params
from netra.errors import InvalidInput, Problem

#: Bounded above, so that what is not finite is refused too: it would make every limit hold.
_Ms = Annotated[float, Meta(gt=0, le=1e9)]
_Usd = Annotated[float, Meta(gt=0, le=1e6)]
_Replicas = Annotated[int, Meta(ge=1, le=4096)]
#: Far beyond what a server is run with; step times are tabulated up to them.
_Sequences = Annotated[int, Meta(ge=1, le=65_536)]
_BatchedTokens = Annotated[int, Meta(ge=1, le=1_048_576)]
_Parallel = Annotated[int, Meta(ge=1, le=16)]
_TRIED = Meta(min_length=1, max_length=16)
_TriedSequences = Annotated[tuple[_Sequences, ...], _TRIED]
_TriedTokens = Annotated[tuple[_BatchedTokens, ...], _TRIED]

#: The limits that may be given, in the order in which they are reported.
LIMITS = tuple(
    f"{metric}_p{percent}_ms" for metric in ("ttft", "tpot", "latency") for percent in (50, 95, 99)
)


class CurrentFleet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What serves the workload today, for a saving to be measured against."""

    gpu: str
    replicas: _Replicas
    #: GPUs of one replica that share each layer, and data-parallel ranks.
    tensor: _Parallel = 1
    data: _Parallel = 1
    max_num_seqs: _Sequences = 256
    max_num_batched_tokens: _BatchedTokens = 8192
    routing: Literal["round-robin", "least-loaded", "random", "prefix-aware"] = "round-robin"
    #: Of one GPU; by default the supply catalog's.
    usd_per_gpu_hour: _Usd | None = None


class CapacityParams(Params, frozen=True, kw_only=True):
    #: The model that is served, as Hugging Face calls it.
    model: str
    #: Limits of percentiles, in milliseconds; at least one.
    ttft_p50_ms: _Ms | None = None
    ttft_p95_ms: _Ms | None = None
    ttft_p99_ms: _Ms | None = None
    tpot_p50_ms: _Ms | None = None
    tpot_p95_ms: _Ms | None = None
    tpot_p99_ms: _Ms | None = None
    latency_p50_ms: _Ms | None = None
    latency_p95_ms: _Ms | None = None
    latency_p99_ms: _Ms | None = None
    #: What is kept free below each limit, as a share of it.
    margin: Annotated[float, Meta(ge=0, lt=1)] = 0.1
    #: Which GPUs may be chosen; by default all that have a price.
    gpus: tuple[str, ...] | str | None = None
    #: USD an hour of one GPU, over the supply catalog: `{"h100": 2.5}`.
    gpu_usd_per_hour: dict[str, _Usd] = msgspec.field(default_factory=dict)
    #: Which of the catalog's prices hold.
    term: Term = "on-demand"
    #: The most GPUs of the fleet, and of one replica.
    max_gpus: Annotated[int, Meta(ge=1, le=4096)] = 64
    max_gpus_per_replica: Annotated[int, Meta(ge=1, le=16)] = 8
    #: The format of weights, where the model's name does not say it.
    weights: Literal["as-named", "fp8", "int8", "int4", "nvfp4"] = "as-named"
    #: Where step times come from: the published specifications, or kernels that were measured
    #: (`pip install netra[gpu-profiles]`), corrected by measured servers.
    step_times: Literal["roofline", "profiles"] = "roofline"
    #: What the server may use of a GPU's memory (`--gpu-memory-utilization`).
    memory_share: Annotated[float, Meta(gt=0, le=1)] = 0.9
    #: What `serving-fit` left of an engine's log (its result, or the part `calibration`): corrects
    #: the step times on the GPU of that log. In a job, a stage before this one may leave it.
    calibration: Annotated[dict[str, Any] | None, Meta(extra={"file": "json"})] = None
    #: Batch settings and ways of routing that are tried, all with all; by default prefix-aware
    #: routing too where block hashes are known.
    max_num_seqs: _TriedSequences | _Sequences = (64, 128, 256)
    max_num_batched_tokens: _TriedTokens | _BatchedTokens = (2048, 8192)
    routing: tuple[str, ...] | str | None = None
    #: From a decision to a replica that serves, seconds, behind an autoscaler.
    startup_s: Annotated[float, Meta(ge=0, le=1e6)] = 180.0
    #: The share of the time that a fleet is chosen on for the backtest.
    fit_share: Annotated[float, Meta(ge=0.1, le=0.9)] = 0.7
    #: Resampled traces, and the level of their intervals.
    resamples: Annotated[int, Meta(ge=20, le=2000)] = 60
    level: Annotated[float, Meta(gt=0.5, lt=1)] = 0.9
    #: Seed of the resampling; None: the stage's own.
    seed: Annotated[int, Meta(ge=0)] | None = None
    #: What serves today.
    current: CurrentFleet | None = None
    #: Simulations at once.
    threads: Annotated[int, Meta(ge=1, le=16)] = 2
    #: Whether a job's stage may hand each GPU to a stage of its own.
    fan_out: bool = True
    #: Set by the fan-out: what this stage does, and which cost bounds the search, USD an hour.
    stage: Literal["whole", "part", "merge"] = "whole"
    usd_per_hour_at_most: Annotated[float, Meta(gt=0, le=1e12)] | None = None

    def check(self, where: str) -> None:
        if not self.limits_ms():
            expected = "at least one of: " + ", ".join(LIMITS)
            problem = Problem(where=where, problem="no limit is given", expected=expected)
            raise InvalidInput("a fleet is sized by the limits that it has to hold", [problem])
        self._check_batches(where)
        known = ("round-robin", "least-loaded", "random", "prefix-aware")
        wrong = [
            Problem(
                where=f"{where}.routing",
                problem="unknown routing",
                got=r,
                expected="one of: " + ", ".join(known),
            )
            for r in ((self.routing,) if isinstance(self.routing, str) else self.routing or ())
            if r not in known
        ]
        if wrong:
            raise InvalidInput("there is no such routing", wrong)

    def _check_batches(self, where: str) -> None:
        """Every setting can be had with another one: vLLM starts only where a step's tokens are
        at least its sequences."""
        sequences = _listed(self.max_num_seqs)
        tokens = _listed(self.max_num_batched_tokens)
        wrong = [
            _batch_problem(where, "max_num_batched_tokens", t, f"at least {min(sequences):,}")
            for t in tokens
            if t < min(sequences)
        ]
        wrong += [
            _batch_problem(where, "max_num_seqs", s, f"at most {max(tokens):,}")
            for s in sequences
            if s > max(tokens) and not wrong
        ]
        today = self.current
        if today and today.max_num_batched_tokens < today.max_num_seqs:
            wrong.append(
                _batch_problem(
                    f"{where}.current", "max_num_batched_tokens", today.max_num_batched_tokens,
                    f"at least {today.max_num_seqs:,}",
                )
            )  # fmt: skip
        if wrong:
            raise InvalidInput(
                "no server starts with max_num_batched_tokens below max_num_seqs", wrong
            )

    def limits_ms(self) -> dict[str, float]:
        """The limits that are given, by name."""
        found = {name: getattr(self, name) for name in LIMITS}
        return {name: value for name, value in found.items() if value is not None}


def _listed(value: tuple[int, ...] | int) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else value


def _batch_problem(where: str, name: str, got: int, expected: str) -> Problem:
    other = "max_num_seqs" if name == "max_num_batched_tokens" else "max_num_batched_tokens"
    return Problem(
        where=f"{where}.{name}",
        problem=f"does not go with any {other}",
        got=str(got),
        expected=f"{expected}, as {other} is",
    )
