"""The records that hold the state of simulated engines; `engine` is the loop over them.

Replicas are numbered r, the ranks of all of them q = r * ranks + rank, requests i by arrival.
Lists of requests are linked through the requests' records, with -1 for their end. Records rather
than an array a field: what one decision touches then lies together in the CPU's caches.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from netra.analysis.compiled import Floats, Int64s
from netra.analysis.serving.settings import Fleet
from netra.analysis.serving.step_time import StepTable

Records = npt.NDArray[np.void]
Record = Any

#: Bins of a timeline. When time runs past the last one, pairs are merged and bins become wider.
TIMELINE_BINS: Final = 128

REQUEST: Final = np.dtype(
    [
        ("arrival_s", np.float64),
        # When the engine first saw it, first gave it a slot, ended its first token and its last.
        ("received_s", np.float64),
        ("scheduled_s", np.float64),
        ("first_token_s", np.float64),
        ("finish_s", np.float64),
        # Tokens to read before the next one is generated, and tokens still to generate. Both
        # change with a preemption: what the request has generated is then read again.
        ("prompt", np.int64),
        ("output", np.int64),
        # The step that read the end of the prompt; -1 before.
        ("prefilled", np.int64),
        ("preemptions", np.int64),
        # Tokens of the prompt that were in the cache when it was first given a slot.
        ("cached", np.int64),
        # What a preemption left in the cache: blocks, how many of them are full and computed (with
        # block hashes: of those beyond its path), and the count of blocks taken at which the first
        # of them is taken by somebody else.
        ("left", np.int64),
        ("full", np.int64),
        ("taken_at", np.int64),
        # The rank q that serves it.
        ("place", np.int64),
        # The next one in the queue; neighbours in the order of admission among those that run.
        ("next", np.int64),
        ("older", np.int64),
        ("newer", np.int64),
    ]
)

REPLICA: Final = np.dtype(
    [
        # The number of the next step, and when it is decided upon: never, if there is nothing.
        ("step", np.int64),
        ("due_s", np.float64),
        # Whether the step before it still runs then, and when that ends.
        ("in_flight", np.bool_),
        ("ends_s", np.float64),
        # Until when nothing finishes, unless a request comes.
        ("quiet_s", np.float64),
        # From when on it takes requests; never, if it is off.
        ("ready_s", np.float64),
        # Its requests that have not finished.
        ("unfinished", np.int64),
        # How often something was decided, and how long steps ran.
        ("decisions", np.int64),
        ("busy_s", np.float64),
    ],
    align=True,
)

RANK: Final = np.dtype(
    [
        # Sequences that generate a token in the next step, and the sum of (prompt - prefilled)
        # over them: that plus the number of the step times their count is all their context.
        ("decoding", np.int64),
        ("context", np.int64),
        # Sequences that hold a slot; blocks that are free, and the fewest that ever were.
        ("running", np.int64),
        ("free", np.int64),
        ("least_free", np.int64),
        # Blocks that were ever taken from the head of the list of free ones.
        ("taken", np.int64),
        # The queue: both ends, its length, and the first in it that the engine has not seen yet.
        ("first", np.int64),
        ("last", np.int64),
        ("waiting", np.int64),
        ("unseen", np.int64),
        # The request that was admitted last.
        ("newest", np.int64),
        # The request whose prompt is read in part, and how much of it is read.
        ("partial", np.int64),
        ("read", np.int64),
        # Entries in its rows of `heap` and `draining`.
        ("heaped", np.int64),
        ("drained", np.int64),
        # The step being decided: tokens and sequences of prompts, KV tokens and pairs of those,
        # whether a sequence was preempted; and its time, with the growth from step to step.
        ("tokens", np.int64),
        ("sequences", np.int64),
        ("kv_read", np.int64),
        ("pairs", np.float64),
        ("preempted", np.bool_),
        # Tokens of prompts in all steps.
        ("read_in_all", np.int64),
        ("step_s", np.float64),
        ("growth_s", np.float64),
    ],
    align=True,
)

BIN: Final = np.dtype(
    [
        # Seconds in which a step ran, summed over replicas.
        ("busy_s", np.float64),
        # KV blocks in use, and sequences that run, times seconds; summed over ranks.
        ("block_s", np.float64),
        ("running_s", np.float64),
    ]
)


class Times(NamedTuple):
    """A `StepTable` as compiled code takes it."""

    tokens_s: Floats
    sequences_s: Floats
    kv_s: Floats
    pair_s: float


class Limits(NamedTuple):
    """The settings of the engines as compiled code takes them."""

    slots: int
    budget: int
    blocks: int
    block: int
    #: How many steps run while the next one is decided upon: 1 if scheduling is asynchronous.
    lag: int
    ranks: int
    #: 1 if freed blocks keep what was computed until somebody takes them.
    caching: int


class Scaling(NamedTuple):
    """The autoscaler's settings; without one there are no ticks."""

    least: int
    target: float
    startup_s: float
    interval_s: float
    cooldown_s: float


class State(NamedTuple):
    """All that changes."""

    requests: Records
    replicas: Records
    ranks: Records
    #: (last step << 32 | request) of the sequences that generate, a heap a rank.
    heap: Int64s
    #: The sequences whose last step runs; shape (ranks, slots).
    draining: Int64s
    #: How many sequences of a rank need a new block in a step, by the number of the step modulo
    #: the tokens of a block; shape (ranks, block_tokens).
    phases: Int64s
    timeline: Records
    #: The width of a bin; shape (1,).
    width_s: Floats
    #: How many replicas the autoscaler wants at each tick, and how many are on from then on;
    #: shape (ticks, 2).
    schedule: Int64s


def new_state(arrival_s: Floats, prompt: Int64s, output: Int64s, fleet: Fleet) -> State:
    """Engines that idle, and requests that have not arrived."""
    engine = fleet.engine
    places = fleet.replicas * engine.ranks
    requests = np.zeros(len(arrival_s), REQUEST)
    requests["arrival_s"], requests["prompt"], requests["output"] = arrival_s, prompt, output
    for name in ("received_s", "scheduled_s", "first_token_s", "finish_s"):
        requests[name] = np.nan
    for name in ("prefilled", "place", "next", "older", "newer"):
        requests[name] = -1
    replicas = np.zeros(fleet.replicas, REPLICA)
    replicas["due_s"] = np.inf
    replicas["quiet_s"] = np.inf
    ranks = np.zeros(places, RANK)
    ranks["free"] = ranks["least_free"] = engine.kv_blocks
    for name in ("first", "last", "unseen", "newest", "partial"):
        ranks[name] = -1
    scaler = fleet.autoscaling
    replicas["ready_s"][scaler.least if scaler else fleet.replicas :] = np.inf
    span_s = float(arrival_s[-1]) if len(arrival_s) else 0.0
    ticks = int(span_s // scaler.interval_s) + 1 if scaler else 0
    return State(
        requests=requests,
        replicas=replicas,
        ranks=ranks,
        heap=np.zeros((places, engine.max_num_seqs + 1), np.int64),
        draining=np.zeros((places, engine.max_num_seqs), np.int64),
        phases=np.zeros((places, engine.block_tokens), np.int64),
        timeline=np.zeros(TIMELINE_BINS, BIN),
        width_s=np.full(1, max(span_s, 1e-3) * 2 / TIMELINE_BINS),
        schedule=np.zeros((ticks, 2), np.int64),
    )


def times_of(table: StepTable) -> Times:
    """The table without its class."""
    return Times(
        np.ascontiguousarray(table.tokens_s, np.float64),
        np.ascontiguousarray(table.sequences_s, np.float64),
        np.ascontiguousarray(table.kv_s, np.float64),
        float(table.pair_s),
    )


def limits_of(fleet: Fleet) -> Limits:
    """The settings without their classes."""
    engine = fleet.engine
    return Limits(
        slots=engine.max_num_seqs,
        budget=engine.max_num_batched_tokens,
        blocks=engine.kv_blocks,
        block=engine.block_tokens,
        lag=int(engine.async_scheduling),
        ranks=engine.ranks,
        caching=int(engine.prefix_caching),
    )


def scaling_of(fleet: Fleet) -> Scaling:
    """The autoscaler without its class."""
    scaler = fleet.autoscaling
    if scaler is None:
        return Scaling(fleet.replicas, np.inf, 0.0, np.inf, 0.0)
    return Scaling(
        least=scaler.least,
        target=float(scaler.target),
        startup_s=float(scaler.startup_s),
        interval_s=float(scaler.interval_s),
        cooldown_s=float(scaler.cooldown_s),
    )
