"""The slow, obvious simulator: one object a request, one turn of a loop a step, no arithmetic.

It is written from the rules alone (which request gets what, block by block), without the heap,
the phases, the stretches and the sums that the compiled one is made of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from netra.analysis.serving.settings import Autoscaling, EngineSettings, Fleet
from netra.analysis.serving.step_time import StepTable


@dataclass(eq=False)
class Asked:
    arrival_s: float
    prompt: int
    output: int
    #: Hashes of the prompt's blocks, and how many tokens each of those has.
    hashes: tuple[int, ...] = ()
    hashed_tokens: int = 1
    #: Tokens whose keys and values are in the cache, blocks held, tokens that were generated, or
    #: are being generated in a step that runs.
    computed: int = 0
    blocks: list[int] = field(default_factory=list[int])
    generated: int = 0
    #: Whether its prompt (and what it had generated, if it was preempted) is still to be read.
    reading: bool = False
    preemptions: int = 0
    #: Tokens found in the cache when it was first given a slot.
    cached: int = 0
    #: The step of the last token.
    last_step: int | None = None
    place: tuple[int, int] = (-1, -1)
    received_s: float = math.nan
    scheduled_s: float = math.nan
    first_token_s: float = math.nan
    finish_s: float = math.nan

    @property
    def known(self) -> int:
        """Tokens that there are to compute: the prompt, and what was generated."""
        return self.prompt + self.generated

    def content(self, block: int, block_tokens: int) -> tuple[object, ...]:
        """What tells a full block apart: all hashes until its end, or else whose it is."""
        last = ((block + 1) * block_tokens - 1) // self.hashed_tokens
        if last < min(len(self.hashes), self.prompt // self.hashed_tokens):
            return (*self.hashes[: last + 1], "block", block)
        return (self, block)


@dataclass
class Batch:
    """One step of one rank."""

    budget: int
    tokens: int = 0
    sequences: int = 0
    kv_tokens: int = 0
    pairs: int = 0
    generating: list[Asked] = field(default_factory=list[Asked])

    def run(self, request: Asked, count: int) -> None:
        """Computes so many tokens of a request."""
        self.budget -= count
        self.tokens += count
        self.sequences += 1
        for _ in range(count):
            request.computed += 1
            self.pairs += request.computed if request.reading else 0
        self.kv_tokens += request.computed
        if request.computed == request.known:
            request.reading = False
            self.generating.append(request)

    def seconds(self, table: StepTable) -> float:
        if not self.tokens:
            return 0.0
        return table.step_s(
            tokens=self.tokens,
            sequences=self.sequences,
            kv_tokens=self.kv_tokens,
            pairs=self.pairs,
        )


@dataclass(eq=False)
class ReferenceRank:
    settings: EngineSettings
    table: StepTable
    waiting: list[Asked] = field(default_factory=list[Asked])
    running: list[Asked] = field(default_factory=list[Asked])
    #: The blocks that are free, the next to be taken first.
    free: list[int] = field(default_factory=list[int])
    #: How many sequences hold a block.
    holders: list[int] = field(default_factory=list[int])
    #: The content of blocks, and the blocks of a content, the first to be computed first.
    content: dict[int, tuple[object, ...]] = field(default_factory=dict[int, tuple[object, ...]])
    cached: dict[tuple[object, ...], list[int]] = field(
        default_factory=dict[tuple[object, ...], list[int]]
    )
    #: Tokens of prompts computed, and found in the cache, at all admissions.
    read: int = 0
    found: int = 0

    def __post_init__(self) -> None:
        self.free = list(range(self.settings.kv_blocks))
        self.holders = [0] * self.settings.kv_blocks

    def forget(self) -> None:
        self.content, self.cached = {}, {}

    def release(self, done: int, now: float) -> int:
        """Frees those whose last token was in step `done` or before."""
        finished = [r for r in self.running if r.last_step is not None and r.last_step <= done]
        for request in finished:
            assert request.finish_s <= now
            self.running.remove(request)
            self._let_go(request)
        return len(finished)

    def schedule(self, step: int, now: float) -> tuple[float, list[Asked]]:
        """The time of the next step (0 if nothing runs), and who gets a token from it."""
        for request in self.waiting:
            if math.isnan(request.received_s):
                request.received_s = now
        batch = Batch(budget=self.settings.max_num_batched_tokens)
        preempted = False
        for request in list(self.running):
            if request not in self.running or request.last_step is not None or not batch.budget:
                continue
            count = min(request.known - request.computed, batch.budget)
            needed = self._blocks(request.computed + count) - len(request.blocks)
            while needed > len(self.free) and request in self.running:
                self._preempt([r for r in self.running if r.last_step is None][-1])
                preempted = True
            if request in self.running:
                self._take(request, needed)
                self._run(batch, request, count)
        while self.waiting and batch.budget and not preempted:
            request = self.waiting[0]
            blocks = self._blocks(request.known)
            found = self.look_up(request)
            needed = blocks - sum(self.holders[block] > 0 for block in found)
            if len(self.running) == self.settings.max_num_seqs or needed > len(self.free):
                break
            self.running.append(self.waiting.pop(0))
            for block in found:
                if self.holders[block] == 0:
                    self.free.remove(block)
                self.holders[block] += 1
            request.blocks = found
            request.computed = len(found) * self.settings.block_tokens
            self.found += request.computed
            self._take(request, blocks - len(found))
            request.reading = True
            if math.isnan(request.scheduled_s):
                request.scheduled_s = now
                request.cached = request.computed
            self._run(batch, request, min(request.known - request.computed, batch.budget))
        for request in batch.generating:
            request.generated += 1
            if request.generated == request.output:
                request.last_step = step
        return batch.seconds(self.table), batch.generating

    def look_up(self, request: Asked) -> list[int]:
        """The blocks that hold the beginning of its tokens; at least the last one is to compute."""
        found: list[int] = []
        size = self.settings.block_tokens
        while self.settings.prefix_caching and (len(found) + 1) * size < request.known:
            blocks = self.cached.get(request.content(len(found), size))
            if not blocks:
                break
            found.append(blocks[0])
        return found

    def _run(self, batch: Batch, request: Asked, count: int) -> None:
        self.read += count if request.reading else 0
        batch.run(request, count)
        for k in range(request.computed // self.settings.block_tokens):
            block = request.blocks[k]
            if block not in self.content:
                self.content[block] = request.content(k, self.settings.block_tokens)
                self.cached.setdefault(self.content[block], []).append(block)

    def _take(self, request: Asked, blocks: int) -> None:
        for _ in range(blocks):
            block = self.free.pop(0)
            if block in self.content:
                self.cached[self.content.pop(block)].remove(block)
            self.holders[block] = 1
            request.blocks.append(block)

    def _let_go(self, request: Asked) -> None:
        for block in reversed(request.blocks):
            self.holders[block] -= 1
            if self.holders[block] == 0:
                self.free.append(block)
        request.blocks = []

    def _blocks(self, tokens: int) -> int:
        return math.ceil(tokens / self.settings.block_tokens)

    def _preempt(self, request: Asked) -> None:
        self.running.remove(request)
        self._let_go(request)
        request.computed = 0
        request.preemptions += 1
        self.waiting.insert(0, request)


class ReferenceReplica:
    def __init__(self, settings: EngineSettings, table: StepTable) -> None:
        self.settings = settings
        self.ranks = [ReferenceRank(settings, table) for _ in range(settings.ranks)]
        self.step = 0
        self.due_s = math.inf
        #: The end of the step that runs while the next one is decided upon.
        self.ends_s: float | None = None
        self.unfinished = 0
        self.busy_s = 0.0

    def advance(self, until: float) -> None:
        while self.due_s < until:
            self._decide()

    def deliver(self, request: Asked, place: int, rank: int | None) -> None:
        loads = [4 * len(rank.waiting) + len(rank.running) for rank in self.ranks]
        rank = loads.index(min(loads)) if rank is None else rank
        self.ranks[rank].waiting.append(request)
        request.place = (place, rank)
        self.unfinished += 1
        if self.due_s == math.inf:
            self.due_s = request.arrival_s

    def _decide(self) -> None:
        now, before = self.due_s, self.ends_s
        done = self.step - 1 if before is None else self.step - 2
        seconds = 0.0
        generating: list[Asked] = []
        for rank in self.ranks:
            self.unfinished -= rank.release(done, now)
            took, tokens_of = rank.schedule(self.step, now)
            seconds = max(seconds, took)
            generating += tokens_of
        if not seconds:
            self.due_s, self.ends_s = (math.inf, None) if before is None else (before, None)
            return
        start = now if before is None else before
        end = start + seconds
        self.busy_s += seconds
        for request in generating:
            if math.isnan(request.first_token_s):
                request.first_token_s = end
            if request.last_step == self.step:
                request.finish_s = end
        if self.settings.async_scheduling:
            self.due_s, self.ends_s = start, end
        else:
            self.due_s = end
        self.step += 1


class ReferenceAutoscaler:
    """Kubernetes' rule, with the whole history of what was wanted."""

    def __init__(self, scaler: Autoscaling | None, replicas: list[ReferenceReplica]) -> None:
        self.scaler, self.replicas = scaler, replicas
        self.on = scaler.least if scaler else len(replicas)
        self.ready_s = [0.0 if r < self.on else math.inf for r in range(len(replicas))]
        self.wanted: list[tuple[float, int]] = []
        self.schedule: list[int] = []

    def decide_until(self, now: float) -> None:
        while self.scaler and len(self.schedule) * self.scaler.interval_s <= now:
            self._decide(self.scaler, len(self.schedule) * self.scaler.interval_s)

    def _decide(self, scaler: Autoscaling, now: float) -> None:
        for replica in self.replicas:
            replica.advance(now)
        unfinished = sum(replica.unfinished for replica in self.replicas)
        wanted = math.ceil(unfinished / scaler.target)
        wanted = min(max(wanted, scaler.least), len(self.replicas))
        self.wanted.append((now, wanted))
        lately = max(n for then, n in self.wanted if now - then <= scaler.cooldown_s)
        if wanted > self.on:
            for r in range(self.on, wanted):
                self.ready_s[r] = now + scaler.startup_s
                for rank in self.replicas[r].ranks if not self.replicas[r].unfinished else []:
                    rank.forget()
            self.on = wanted
        elif lately < self.on:
            for r in range(lately, self.on):
                self.ready_s[r] = math.inf
            self.on = lately
        self.schedule.append(self.on)


def serve(
    arrival_s: list[float],
    input_tokens: list[int],
    output_tokens: list[int],
    fleet: Fleet,
    table: StepTable,
    hashes: list[tuple[int, ...]] | None = None,
    hashed_tokens: int = 1,
) -> tuple[list[Asked], list[ReferenceReplica], list[int]]:
    """Every request with its times, the replicas as they are left, and how many were on."""
    replicas = [ReferenceReplica(fleet.engine, table) for _ in range(fleet.replicas)]
    autoscaler = ReferenceAutoscaler(fleet.autoscaling, replicas)
    asked = [Asked(*one) for one in zip(arrival_s, input_tokens, output_tokens, strict=True)]
    for request, blocks in zip(asked, hashes or [], strict=hashes is not None):
        request.hashes, request.hashed_tokens = blocks, hashed_tokens
    draws = _draws(fleet.seed)
    place = -1
    for request in asked:
        autoscaler.decide_until(request.arrival_s)
        for replica in replicas:
            replica.advance(request.arrival_s)
        ready = [r for r, at in enumerate(autoscaler.ready_s) if at <= request.arrival_s]
        rank = None
        if fleet.routing == "least-loaded":
            place = min(ready, key=lambda r: (replicas[r].unfinished, r))
        elif fleet.routing == "random":
            place = ready[(next(draws) >> 32) * len(ready) >> 32]
        elif fleet.routing == "prefix-aware":
            place, rank = _most_of_the_prefix(request, replicas, ready, fleet)
        else:
            place = min(ready, key=lambda r: (r - place - 1) % len(replicas))
        replicas[place].deliver(request, place, rank)
    for replica in replicas:
        replica.advance(math.inf)
    return asked, replicas, autoscaler.schedule


def _most_of_the_prefix(
    request: Asked, replicas: list[ReferenceReplica], ready: list[int], fleet: Fleet
) -> tuple[int, int]:
    places = [(r, q) for r in ready for q in range(len(replicas[r].ranks))]

    def load(place: tuple[int, int]) -> int:
        rank = replicas[place[0]].ranks[place[1]]
        return len(rank.waiting) + len(rank.running)

    def found(place: tuple[int, int]) -> int:
        return len(replicas[place[0]].ranks[place[1]].look_up(request))

    best = min(places, key=lambda place: (-found(place), load(place), place))
    idlest = min(places, key=lambda place: (load(place), place))
    little = found(best) < fleet.prefix_share * request.prompt / fleet.engine.block_tokens
    busy = load(best) > load(idlest) + fleet.prefix_margin
    return idlest if little or busy else best


def _draws(seed: int) -> Iterator[int]:
    """SplitMix64."""
    mask = (1 << 64) - 1
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        x = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & mask
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
        yield x ^ (x >> 31)
