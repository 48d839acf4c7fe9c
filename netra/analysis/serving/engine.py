"""The loop over the decisions of a replica: an event-driven simulation of continuous batching.

A replica's ranks take their steps together. With asynchronous scheduling, step s + 1 is decided
upon when step s - 1 ends, while step s runs: it knows what step s will do, but not the arrivals
since, and what finishes in step s holds its slot until the decision after.

Between two decisions in which a request starts or ends, only contexts grow, each by one token a
step, so the times of steps are an arithmetic series: such a stretch is passed in one go. How far
it reaches is the least of four bounds: the next sequence to finish (a heap), the blocks that are
free (their need is periodic in the block's tokens), the next arrival (a quadratic equation), and,
with several ranks, the rank that is slowest throughout.

Cost: O(log n) for each request that starts or ends, O(block_tokens) for each stretch; none of it
depends on how many sequences run.
"""

from __future__ import annotations

import math

import numpy as np

from netra.analysis.compiled import Floats, Int64s
from netra.analysis.inlined import called, inlined
from netra.analysis.serving.cache_state import Cache
from netra.analysis.serving.engine_state import Limits, Record, Records, State, Times
from netra.analysis.serving.scheduler import make_room, read_prompts, release, see_arrivals
from netra.analysis.serving.step_heap import step_of
from netra.analysis.serving.timeline import record


@called
def advance(
    state: State, times: Times, limits: Limits, r: int, until: float, cache: Cache | None
) -> None:
    """Takes all decisions of replica r that are due before `until`.

    Without block hashes there is no cache of which anything is known, and all that has to do with
    one is left out when this is compiled (`None` is a type of its own).
    """
    replica = state.replicas[r]
    if not replica["due_s"] < until:
        return
    # Taken out of their tuples once: each access counts a reference.
    requests, ranks, timeline, width_s = (
        state.requests,
        state.ranks,
        state.timeline,
        state.width_s,
    )
    heap, draining, phases = state.heap, state.draining, state.phases
    tokens_s, sequences_s, kv_s = times.tokens_s, times.sequences_s, times.kv_s
    first, last = r * limits.ranks, (r + 1) * limits.ranks
    while replica["due_s"] < until:
        now = replica["due_s"]
        step = replica["step"]
        replica["decisions"] += 1
        for q in range(first, last):
            rank = ranks[q]
            replica["unfinished"] -= release(
                requests,
                rank,
                q,
                heap,
                draining,
                phases,
                limits,
                step,
                replica["in_flight"],
                now,
                cache,
            )
            see_arrivals(requests, rank, now)
            make_room(requests, rank, q, heap, phases, limits, step, cache)
            decoding = rank["decoding"]
            rank["kv_read"] = rank["context"] + step * decoding
            read_prompts(requests, rank, q, heap, phases, limits, step, now, cache)
            _time_step(rank, decoding, tokens_s, sequences_s, kv_s, times.pair_s)
            rank["least_free"] = min(rank["least_free"], rank["free"])
        slowest = _slowest(ranks, first, last, 0)
        if ranks[slowest]["step_s"] > 0.0:
            steps = _stretch(replica, ranks, slowest, first, last, heap, phases, limits, until)
            held, running = _take_blocks(ranks, first, last, phases, limits, step, steps)
            start = replica["ends_s"] if replica["in_flight"] else now
            end = start + _steps_s(ranks[slowest], steps)
            _stamp_first_tokens(requests, ranks, first, last, step, end)
            record(timeline, width_s, start, end, held, running)
            _run(replica, ranks[slowest], limits, start, steps)
        else:
            _wait(replica)


@inlined
def _time_step(
    rank: Record,
    decoding: int,
    tokens_s: Floats,
    sequences_s: Floats,
    kv_s: Floats,
    pair_s: float,
) -> None:
    """The time of the rank's step, and by how much each step of the same kind is longer.

    A step without tokens takes none: it is not run, or waits for the steps of the other ranks.
    """
    tokens = decoding + rank["tokens"]
    rank["step_s"] = 0.0
    rank["growth_s"] = 0.0
    if tokens > 0:
        sequences = decoding + rank["sequences"]
        per_token = kv_s[sequences]
        rank["step_s"] = (
            tokens_s[tokens]
            + sequences_s[sequences]
            + per_token * rank["kv_read"]
            + pair_s * rank["pairs"]
        )
        rank["growth_s"] = per_token * decoding


@inlined
def _wait(replica: Record) -> None:
    """There is nothing to run: until the step that runs has ended, or until a request comes."""
    if replica["in_flight"]:
        replica["due_s"] = replica["ends_s"]
        replica["in_flight"] = False
    else:
        replica["due_s"] = np.inf
        replica["quiet_s"] = np.inf


@inlined
def _run(replica: Record, slowest: Record, limits: Limits, start: float, steps: int) -> None:
    """Runs the steps; the next decision is due when all of them have ended, or all but one."""
    took_s = _steps_s(slowest, steps)
    replica["step"] += steps
    replica["busy_s"] += took_s
    replica["ends_s"] = start + took_s
    replica["in_flight"] = limits.lag == 1
    replica["due_s"] = start + _steps_s(slowest, steps - limits.lag)


@inlined
def _slowest(ranks: Records, first: int, last: int, later: int) -> int:
    """The rank whose step takes longest, so many steps from now; the first of equals."""
    best = first
    for q in range(first + 1, last):
        if (
            ranks[q]["step_s"] + later * ranks[q]["growth_s"]
            > ranks[best]["step_s"] + later * ranks[best]["growth_s"]
        ):
            best = q
    return best


@inlined
def _stretch(
    replica: Record,
    ranks: Records,
    slowest: int,
    first: int,
    last: int,
    heap: Int64s,
    phases: Int64s,
    limits: Limits,
    until: float,
) -> int:
    """Steps that need no decision but the one just taken; at least 1.

    Also says until when nothing can finish, however many decisions arrivals force before.
    """
    start = replica["ends_s"] if replica["in_flight"] else replica["due_s"]
    steps = _steps_of_a_kind(ranks, first, last, heap, phases, limits, replica["step"])
    if last - first > 1 and _slowest(ranks, first, last, steps - 1) != slowest:
        steps = 1
    replica["quiet_s"] = start + _steps_s(ranks[slowest], steps - limits.lag)
    if steps > 1 and until < replica["quiet_s"]:
        before = _steps_before(ranks[slowest], until - start)
        steps = min(steps, before + 1 + limits.lag)
    return steps


@inlined
def _steps_of_a_kind(
    ranks: Records,
    first: int,
    last: int,
    heap: Int64s,
    phases: Int64s,
    limits: Limits,
    step: int,
) -> int:
    """Steps until a sequence finishes, blocks run out or the queue may move; at least 1."""
    steps = 1 << 40
    for q in range(first, last):
        rank = ranks[q]
        if rank["drained"] > 0 or rank["preempted"] or rank["tokens"] > 0:
            steps = 1
        elif rank["heaped"] > 0:
            steps = min(steps, step_of(heap[q, 0]) - step + 1)
    for q in range(first, last):
        steps = _steps_with_blocks(ranks[q], q, phases, limits.block, step, steps)
    return steps


@inlined
def _steps_with_blocks(
    rank: Record, q: int, phases: Int64s, block: int, step: int, most: int
) -> int:
    """For how many steps, at most so many, the free blocks last; this step has its blocks."""
    decoding = rank["decoding"]
    free = rank["free"]
    steps = most
    if most > 1 and ((most - 1) // block + 1) * decoding > free:
        rounds = free // decoding
        left = free - rounds * decoding
        steps = 1 + rounds * block
        at = (step + steps) % block
        while steps < most and phases[q, at] <= left:
            left -= phases[q, at]
            steps += 1
            at = at + 1 if at + 1 < block else 0
        steps = min(steps, most)
    return steps


@inlined
def _steps_s(rank: Record, steps: int) -> float:
    """The time of so many steps, each longer by the same than the one before."""
    return steps * rank["step_s"] + rank["growth_s"] * (0.5 * steps * (steps - 1))


@inlined
def _steps_before(rank: Record, span_s: float) -> int:
    """The most steps that end before a span does; -1 if it has passed."""
    steps = -1
    if span_s > 0.0:
        half = 0.5 * rank["growth_s"]
        b = rank["step_s"] - half
        # The root of half n^2 + b n = span in the form that does not cancel.
        steps = int(2.0 * span_s / (b + math.sqrt(b * b + 4.0 * half * span_s)))
        while _steps_s(rank, steps) >= span_s:
            steps -= 1
        while _steps_s(rank, steps + 1) < span_s:
            steps += 1
    return steps


@inlined
def _take_blocks(
    ranks: Records,
    first: int,
    last: int,
    phases: Int64s,
    limits: Limits,
    step: int,
    steps: int,
) -> tuple[float, int]:
    """Takes the blocks of all steps but the first, which has them.

    Returns the blocks in use in the middle of the steps, and the sequences that run.
    """
    held = 0.0
    running = 0
    rounds = (steps - 1) // limits.block
    rest = steps - 1 - rounds * limits.block
    # A division takes as long as twenty other operations: one, and not one a step.
    begin = (step + 1) % limits.block if rest > 0 else 0
    for q in range(first, last):
        rank = ranks[q]
        taken = rounds * rank["decoding"]
        at = begin
        for _ in range(rest):
            taken += phases[q, at]
            at = at + 1 if at + 1 < limits.block else 0
        rank["free"] -= taken
        rank["taken"] += taken
        rank["least_free"] = min(rank["least_free"], rank["free"])
        held += limits.blocks - rank["free"] - 0.5 * taken
        running += rank["running"]
    return held, running


@inlined
def _stamp_first_tokens(
    requests: Records, ranks: Records, first: int, last: int, step: int, end: float
) -> None:
    """The prompts that end in this step have their first token at its end."""
    for q in range(first, last):
        rank = ranks[q]
        i = rank["newest"] if rank["tokens"] > 0 else -1
        while i >= 0 and (i == rank["partial"] or requests[i]["prefilled"] == step):
            if i != rank["partial"] and not requests[i]["first_token_s"] >= 0.0:
                requests[i]["first_token_s"] = end
            i = requests[i]["older"]
