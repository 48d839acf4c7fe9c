"""What one rank runs in its next step, as vLLM v1 decides it; each function is one of its rules.

Source: vLLM's `Scheduler.schedule` (`vllm/v1/core/sched/scheduler.py`, first come, first served):
running sequences come first, in the order of admission, those that generate and then the prompt
that is read in part; then the queue in order, as far as slots, the token budget and the KV cache
reach, and not at all in a step that preempts. If the running ones need more blocks than are free,
the newest is preempted: its blocks are freed, it goes to the head of the queue, and what it had
generated is read again together with its prompt. A request is admitted only into room for its
whole prompt: `scheduler_reserve_full_isl`, which is on unless told otherwise (vLLM's pull request
37307 of March 2026; the vLLM 0.19.0 of the runs in the tests records it as on).

The list of free blocks is a queue: freed ones join its end, a sequence's last block first, and
keep their content until they are taken. A preempted sequence therefore finds its first blocks
again, unless more blocks were taken since than lay before them. Those preempted later are ahead in
the queue of requests and behind in the list of blocks, so that counting what was taken is exact.
With block hashes, blocks are told apart (`prefix_cache`).

At most one prompt is ever read in part, and it is the newest request: the next one gets tokens
only once it has all it asks for.

Where this differs from vLLM: blocks for a whole prompt are taken when it is admitted, not with each
part of it (whoever lacks them in between preempts that prompt, in either case); all blocks are
usable, where vLLM keeps one back as a null block; and a sequence's last block, which has no hash
until it is full, is not put in front of the free ones, as vLLM does since 0.24.

Costs: O(1) a rank, O(log n) for each request that starts or ends, O(n) for a preemption; with block
hashes O(segments of its path) more for each of these.
"""

from __future__ import annotations

from netra.analysis.compiled import Int64s
from netra.analysis.inlined import inlined
from netra.analysis.serving.cache_state import Cache
from netra.analysis.serving.engine_state import Limits, Record, Records
from netra.analysis.serving.prefix_cache import give_back, hold, wanted
from netra.analysis.serving.step_heap import entry, pop, push, remove, request_of, step_of


@inlined
def blocks_for(tokens: int, block: int) -> int:
    """Blocks that hold so many tokens."""
    return (tokens + block - 1) // block


@inlined
def join_queue(requests: Records, rank: Record, i: int) -> None:
    """Appends request i; the engine will see it when it next decides."""
    requests[i]["next"] = -1
    if rank["first"] < 0:
        rank["first"] = i
    else:
        requests[rank["last"]]["next"] = i
    rank["last"] = i
    rank["waiting"] += 1
    if rank["unseen"] < 0:
        rank["unseen"] = i


@inlined
def see_arrivals(requests: Records, rank: Record, now: float) -> None:
    """Marks what has arrived since the last decision as received."""
    i = rank["unseen"]
    while i >= 0:
        requests[i]["received_s"] = now
        i = requests[i]["next"]
    rank["unseen"] = -1


@inlined
def release(
    requests: Records,
    rank: Record,
    q: int,
    heap: Int64s,
    draining: Int64s,
    phases: Int64s,
    limits: Limits,
    step: int,
    in_flight: bool,
    now: float,
    cache: Cache | None,
) -> int:
    """Frees what has finished, and takes out of the next step what is about to.

    A sequence whose last token is in the step that still runs takes no part in the next one, but
    holds its slot and blocks until its step has ended. Returns how many finished.
    """
    finished = rank["drained"]
    for k in range(finished):
        _leave(requests, rank, q, draining[q, k], limits, now, cache)
    drained = 0
    while rank["heaped"] and step_of(heap[q, 0]) < step:
        i = request_of(heap[q, 0])
        pop(heap, q, rank["heaped"])
        rank["heaped"] -= 1
        _stop_decoding(requests[i], rank, q, phases, limits.block)
        if in_flight:
            draining[q, drained] = i
            drained += 1
        else:
            _leave(requests, rank, q, i, limits, now, cache)
            finished += 1
    rank["drained"] = drained
    return finished


@inlined
def make_room(
    requests: Records,
    rank: Record,
    q: int,
    heap: Int64s,
    phases: Int64s,
    limits: Limits,
    step: int,
    cache: Cache | None,
) -> None:
    """Gives the generating sequences the blocks they need in this step.

    While there are too few, the newest sequence is preempted.
    """
    rank["preempted"] = False
    at = step % limits.block
    while phases[q, at] > rank["free"]:
        i: int = rank["newest"]
        while _drains(requests[i], step):
            i = requests[i]["older"]
        _preempt(requests, rank, q, heap, phases, limits.block, step, i, cache)
        rank["preempted"] = True
    rank["free"] -= phases[q, at]
    rank["taken"] += phases[q, at]


@inlined
def read_prompts(
    requests: Records,
    rank: Record,
    q: int,
    heap: Int64s,
    phases: Int64s,
    limits: Limits,
    step: int,
    now: float,
    cache: Cache | None,
) -> None:
    """Spends the tokens that the generating sequences leave: on prompts, in order."""
    rank["tokens"] = 0
    rank["sequences"] = 0
    rank["pairs"] = 0.0
    left = limits.budget - rank["decoding"]
    # The prompts that end in this step generate from the next one on: they join afterwards.
    first_done = -1
    if rank["partial"] >= 0 and left > 0:
        i = rank["partial"]
        left -= _read(requests[i], rank, i, left)
        if rank["partial"] < 0:
            first_done = i
    while (
        rank["waiting"] > 0
        and not rank["preempted"]
        and left > 0
        and rank["running"] < limits.slots
        and rank["partial"] < 0
    ):
        i = rank["first"]
        blocks = blocks_for(int(requests[i]["prompt"]), limits.block)
        needed = blocks
        if cache is not None:
            needed = wanted(cache, requests, rank, q, i, blocks, limits.block)
        if needed > rank["free"]:
            break
        if cache is None:
            found = _blocks_left(requests[i], rank) * limits.caching
        else:
            found = hold(cache, requests, rank, q, i, blocks, limits.block)
            if requests[i]["preemptions"] == 0:
                requests[i]["cached"] = found * limits.block
        _admit(requests, rank, i, needed, blocks - found, now)
        rank["read"] = found * limits.block
        rank["partial"] = i
        left -= _read(requests[i], rank, i, left)
        if rank["partial"] < 0 and first_done < 0:
            first_done = i
    i = first_done
    while i >= 0 and i != rank["partial"]:
        _start_decoding(requests[i], rank, q, i, heap, phases, limits.block, step)
        i = requests[i]["newer"]
    rank["read_in_all"] += rank["tokens"]


@inlined
def _drains(request: Record, step: int) -> bool:
    """Whether its last token is in a step before this one."""
    return request["prefilled"] >= 0 and request["prefilled"] + request["output"] - 1 < step


@inlined
def _phase(request: Record, block: int) -> int:
    """The steps, modulo a block's tokens, in which the sequence begins a new block."""
    return (request["prefilled"] + 1 - request["prompt"]) % block


@inlined
def _read(request: Record, rank: Record, i: int, left: int) -> int:
    """Reads what fits of a prompt; returns how many tokens."""
    start = rank["read"]
    tokens = min(left, request["prompt"] - start)
    end = start + tokens
    rank["tokens"] += tokens
    rank["sequences"] += 1
    rank["kv_read"] += end
    rank["pairs"] += tokens * (start + 0.5 * (tokens + 1))
    rank["partial"] = -1 if end == request["prompt"] else i
    rank["read"] = end
    return tokens


@inlined
def _blocks_left(request: Record, rank: Record) -> int:
    """Of what a preemption left in the cache, the full blocks that nobody has taken since."""
    overwritten = max(0, rank["taken"] - request["taken_at"])
    return max(0, min(request["full"], request["left"] - overwritten))


@inlined
def _admit(requests: Records, rank: Record, i: int, needed: int, taken: int, now: float) -> None:
    """Takes the head of the queue into the running sequences, with blocks for all its prompt.

    Of the free blocks it needs so many, of which so many are taken from the front of the list: the
    others were found in it with their content.
    """
    rank["first"] = requests[i]["next"]
    rank["waiting"] -= 1
    if rank["first"] < 0:
        rank["last"] = -1
    rank["running"] += 1
    rank["free"] -= needed
    rank["taken"] += taken
    if requests[i]["preemptions"] == 0:
        requests[i]["scheduled_s"] = now
    older = rank["newest"]
    requests[i]["older"] = older
    requests[i]["newer"] = -1
    if older >= 0:
        requests[older]["newer"] = i
    rank["newest"] = i


@inlined
def _start_decoding(
    request: Record,
    rank: Record,
    q: int,
    i: int,
    heap: Int64s,
    phases: Int64s,
    block: int,
    step: int,
) -> None:
    """Its prompt ends in this step: the first token comes with it, and the others follow."""
    request["prefilled"] = step
    push(heap, q, rank["heaped"], entry(step + request["output"] - 1, i))
    rank["heaped"] += 1
    rank["decoding"] += 1
    rank["context"] += request["prompt"] - step
    phases[q, _phase(request, block)] += 1


@inlined
def _stop_decoding(request: Record, rank: Record, q: int, phases: Int64s, block: int) -> None:
    rank["decoding"] -= 1
    rank["context"] -= request["prompt"] - request["prefilled"]
    phases[q, _phase(request, block)] -= 1


@inlined
def _leave(
    requests: Records,
    rank: Record,
    q: int,
    i: int,
    limits: Limits,
    now: float,
    cache: Cache | None,
) -> None:
    """Frees a finished sequence's slot and blocks."""
    request = requests[i]
    request["finish_s"] = now
    blocks = blocks_for(request["prompt"] + request["output"] - 1, limits.block)
    if cache is None:
        rank["free"] += blocks
    else:
        rank["free"] += give_back(cache, requests, rank, q, i, blocks, blocks, False)
    _unlink(requests, rank, i)


@inlined
def _preempt(
    requests: Records,
    rank: Record,
    q: int,
    heap: Int64s,
    phases: Int64s,
    block: int,
    step: int,
    i: int,
    cache: Cache | None,
) -> None:
    """Frees a sequence's blocks and puts it at the head of the queue, to be read again."""
    request = requests[i]
    request["taken_at"] = rank["taken"] + rank["free"]
    if rank["partial"] == i:
        request["left"] = blocks_for(int(request["prompt"]), block)
        request["full"] = rank["read"] // block
        rank["partial"] = -1
    else:
        generated = step - request["prefilled"]
        computed = request["prompt"] + generated - 1
        request["left"] = blocks_for(computed, block)
        request["full"] = computed // block
        last = request["prefilled"] + request["output"] - 1
        remove(heap, q, rank["heaped"], entry(last, i))
        rank["heaped"] -= 1
        _stop_decoding(request, rank, q, phases, block)
        request["prompt"] += generated
        request["output"] -= generated
        request["prefilled"] = -1
    if cache is None:
        rank["free"] += request["left"]
    else:
        left, full = request["left"], request["full"]
        rank["free"] += give_back(cache, requests, rank, q, i, left, full, True)
    request["preemptions"] += 1
    _unlink(requests, rank, i)
    request["next"] = rank["first"]
    rank["first"] = i
    if rank["last"] < 0:
        rank["last"] = i
    rank["waiting"] += 1


@inlined
def _unlink(requests: Records, rank: Record, i: int) -> None:
    """Takes request i out of those that run."""
    older = requests[i]["older"]
    newer = requests[i]["newer"]
    if older >= 0:
        requests[older]["newer"] = newer
    if newer >= 0:
        requests[newer]["older"] = older
    else:
        rank["newest"] = older
    rank["running"] -= 1
