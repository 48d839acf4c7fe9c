"""How a fleet serves a workload: arrays of requests in, times of each of them out.

`scheduler` holds the rules of one rank, `engine` the loop over a replica's decisions, `routing`
the ways to a replica, `autoscaling` how many there are, `serving_loop` all of it. Deterministic:
the same arguments give the same times, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netra.analysis.compiled import Floats, Int64s
from netra.analysis.serving.cache_state import Cache, new_cache
from netra.analysis.serving.engine_state import (
    State,
    limits_of,
    new_state,
    scaling_of,
    times_of,
)
from netra.analysis.serving.paid_time import paid_s
from netra.analysis.serving.prefixes import Prefixes
from netra.analysis.serving.serving_loop import (
    LEAST_LOADED,
    PREFIX_AWARE,
    RANDOM,
    ROUND_ROBIN,
    Router,
    serve_all,
)
from netra.analysis.serving.settings import Fleet
from netra.analysis.serving.step_time import StepTable
from netra.errors import InsufficientData, InvalidInput, Problem

_ROUTINGS = {
    "round-robin": ROUND_ROBIN,
    "least-loaded": LEAST_LOADED,
    "random": RANDOM,
    "prefix-aware": PREFIX_AWARE,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Occupancy:
    """How full a fleet was over time; one entry a bin, bins begin at the first arrival."""

    #: Seconds in a bin.
    bin_s: float
    #: The share of the replicas' time in which a step ran.
    utilisation: Floats
    #: The share of all KV blocks that was in use, averaged over the bin.
    kv: Floats
    #: Sequences that ran, averaged over the bin, in the whole fleet.
    running: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Service:
    """What became of each request; times in seconds on the clock of the arrivals, shape (n,)."""

    arrival_s: Floats
    #: When the engine looked at it first, gave it a slot, sent its first token, and its last.
    received_s: Floats
    scheduled_s: Floats
    first_token_s: Floats
    finish_s: Floats
    output_tokens: Int64s
    #: Which replica served it, and which of its ranks.
    replica: Int64s
    rank: Int64s
    #: How often its blocks were taken from it.
    preemptions: Int64s
    #: Tokens of its prompt that were in the cache when it first got a slot, and so were not
    #: computed; 0 without block hashes.
    cached_tokens: Int64s
    occupancy: Occupancy
    #: How many replicas are on from each tick of the autoscaler on, one entry an interval from the
    #: first arrival; empty without an autoscaler.
    replicas_on: Int64s
    #: Seconds for which replicas are paid: from when they are switched on until they are switched
    #: off and have finished what they have, or until the last request has finished.
    replica_s: float
    #: Tokens of prompts that were computed in the whole fleet: those that were not cached, and
    #: after a preemption again what was lost.
    read_tokens: int
    #: Steps that replicas ran, and the decisions that the simulation took for them.
    steps: int
    decisions: int
    #: The most KV blocks that one rank ever held.
    peak_kv_blocks: int

    @property
    def queue_s(self) -> Floats:
        """From arrival to a slot."""
        return self.scheduled_s - self.arrival_s

    @property
    def ttft_s(self) -> Floats:
        """From arrival to the first token."""
        return self.first_token_s - self.arrival_s

    @property
    def tpot_s(self) -> Floats:
        """The mean time between tokens; NaN for a request of one token."""
        gaps = np.where(self.output_tokens > 1, self.output_tokens - 1, np.nan)
        return (self.finish_s - self.first_token_s) / gaps

    @property
    def latency_s(self) -> Floats:
        """From arrival to the last token."""
        return self.finish_s - self.arrival_s


def simulate(
    arrival_s: Floats,
    input_tokens: Int64s,
    output_tokens: Int64s,
    *,
    fleet: Fleet,
    table: StepTable,
    prefixes: Prefixes | None = None,
) -> Service:
    """Serves requests on a fleet.

    Args:
        arrival_s: seconds, not falling; shape (n,).
        input_tokens: at least 1 each; shape (n,).
        output_tokens: at least 1 each; shape (n,).
        fleet: the engines and the router.
        table: step times up to the engine's token budget and sequences.
        prefixes: what prompts have in common, for n requests (`prefixes_of`); None: nothing is
            known of it, and no request finds in a cache what another one has left there.

    Raises:
        InvalidInput: the arrays are not requests, one request does not fit in the KV cache, or the
            hashed blocks do not fit the engine's.
        InsufficientData: prefix-aware routing without prefixes.
        ValueError: the table is smaller than the engine's limits.
    """
    arrival = np.ascontiguousarray(arrival_s, np.float64)
    prompt = np.ascontiguousarray(input_tokens, np.int64)
    output = np.ascontiguousarray(output_tokens, np.int64)
    _check_requests(arrival, prompt, output, fleet)
    _check_table(table, fleet)
    start = float(arrival[0]) if len(arrival) else 0.0
    state = new_state(arrival - start, prompt, output, fleet)
    times, limits, scaling = times_of(table), limits_of(fleet), scaling_of(fleet)
    router = Router(_ROUTINGS[fleet.routing], fleet.seed, fleet.prefix_share, fleet.prefix_margin)
    serve_all(state, times, limits, scaling, router, _cache(prefixes, len(arrival), fleet))
    return _service(state, arrival, output, start, fleet)


def _cache(prefixes: Prefixes | None, requests: int, fleet: Fleet) -> Cache | None:
    """The caches that block hashes tell something of; None without hashes or caching."""
    aware = fleet.routing == "prefix-aware"
    if aware and not fleet.engine.prefix_caching:
        raise InvalidInput("prefix-aware routing to engines that do not cache prefixes")
    if prefixes is None:
        if aware:
            raise InsufficientData(
                "without block hashes nothing is known of what prompts have in common",
                ["the hashes of each prompt's blocks (prefix_hashes)"],
            )
        return None
    if len(prefixes) != requests:
        raise InvalidInput(f"prefixes of {len(prefixes)} requests for {requests} requests")
    return new_cache(prefixes, fleet) if fleet.engine.prefix_caching else None


def _service(state: State, arrival: Floats, output: Int64s, start: float, fleet: Fleet) -> Service:
    requests, ranks = state.requests, fleet.engine.ranks
    place = requests["place"]

    def on_their_clock(name: str) -> Floats:
        # Adding the start may round to just before the arrival.
        return np.maximum(requests[name] + start, arrival)

    return Service(
        arrival_s=arrival,
        received_s=on_their_clock("received_s"),
        scheduled_s=on_their_clock("scheduled_s"),
        first_token_s=on_their_clock("first_token_s"),
        finish_s=on_their_clock("finish_s"),
        output_tokens=output,
        replica=place // ranks,
        rank=place % ranks,
        preemptions=requests["preemptions"].copy(),
        cached_tokens=requests["cached"].copy(),
        occupancy=_occupancy(state, fleet),
        replicas_on=state.schedule[:, 1].copy(),
        replica_s=_replica_s(state, fleet),
        read_tokens=int(state.ranks["read_in_all"].sum()),
        steps=int(state.replicas["step"].sum()),
        decisions=int(state.replicas["decisions"].sum()),
        peak_kv_blocks=int(fleet.engine.kv_blocks - state.ranks["least_free"].min()),
    )


def _replica_s(state: State, fleet: Fleet) -> float:
    scaling = scaling_of(fleet)
    return paid_s(
        on=state.schedule[:, 1],
        interval_s=scaling.interval_s,
        least=scaling.least,
        replicas=fleet.replicas,
        replica=state.requests["place"] // fleet.engine.ranks,
        arrival_s=state.requests["arrival_s"],
        finish_s=state.requests["finish_s"],
    )


def _occupancy(state: State, fleet: Fleet) -> Occupancy:
    width = float(state.width_s[0])
    used = np.flatnonzero(state.timeline["busy_s"])
    bins = state.timeline[: int(used[-1]) + 1 if len(used) else 0]
    blocks = fleet.replicas * fleet.engine.ranks * fleet.engine.kv_blocks
    return Occupancy(
        bin_s=width,
        utilisation=bins["busy_s"] / (width * fleet.replicas),
        kv=bins["block_s"] / (width * blocks),
        running=bins["running_s"] / width,
    )


def _check_requests(arrival: Floats, prompt: Int64s, output: Int64s, fleet: Fleet) -> None:
    if arrival.ndim != 1 or arrival.shape != prompt.shape or arrival.shape != output.shape:
        raise InvalidInput(
            f"arrivals, inputs and outputs are of shapes {arrival.shape}, {prompt.shape} and "
            f"{output.shape}, not all (n,)"
        )
    if not len(arrival):
        return
    if not bool(np.all(np.isfinite(arrival))) or bool(np.any(np.diff(arrival) < 0)):
        raise InvalidInput("arrivals are not finite, or not in order")
    for name, tokens in (("input_tokens", prompt), ("output_tokens", output)):
        if int(tokens.min()) < 1:
            i = int(tokens.argmin())
            wrong = Problem(where=f"{name}[{i}]", problem="is below 1", got=int(tokens[i]))
            raise InvalidInput("a request without tokens", [wrong])
    held = prompt + output - 1
    if int(held.max()) > fleet.engine.kv_tokens:
        i = int(held.argmax())
        wrong = Problem(
            where=f"request {i + 1} of {len(held)} by arrival",
            problem="needs more KV tokens than a rank has",
            got=int(held[i]),
            expected=f"at most {fleet.engine.kv_tokens}",
        )
        many = int(np.count_nonzero(held > fleet.engine.kv_tokens))
        raise InvalidInput(f"{many} of {len(held)} requests can never be served", [wrong])


def _check_table(table: StepTable, fleet: Fleet) -> None:
    tokens, sequences = len(table.tokens_s) - 1, len(table.sequences_s) - 1
    engine = fleet.engine
    if tokens < engine.max_num_batched_tokens or sequences < engine.max_num_seqs:
        raise ValueError(
            f"step times reach to {tokens} tokens and {sequences} sequences, not to "
            f"{engine.max_num_batched_tokens} and {engine.max_num_seqs}"
        )
