"""The obvious way to run each eviction policy: plain lists, one step at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def lfu(blocks: Sequence[int], capacity: int) -> int:
    count: dict[int, int] = {}
    last_use: dict[int, int] = {}
    hits = 0
    for i, block in enumerate(blocks):
        if block in count:
            hits += 1
        elif capacity:
            if len(count) == capacity:
                out = min(count, key=lambda b: (count[b], last_use[b]))
                del count[out]
        else:
            continue
        count[block] = count.get(block, 0) + 1
        last_use[block] = i
    return hits


def sieve(blocks: Sequence[int], capacity: int) -> int:
    #: Tail first.
    queue: list[int] = []
    visited: set[int] = set()
    hand: int | None = None
    hits = 0
    for block in blocks:
        if block in queue:
            hits += 1
            visited.add(block)
            continue
        if not capacity:
            continue
        if len(queue) == capacity:
            at = queue.index(hand) if hand is not None else 0
            while queue[at] in visited:
                visited.remove(queue[at])
                at = (at + 1) % len(queue)
            hand = queue[at + 1] if at + 1 < len(queue) else None
            del queue[at]
        queue.append(block)
    return hits


def s3fifo(blocks: Sequence[int], capacity: int) -> int:
    #: Oldest first.
    small: list[int] = []
    main: list[int] = []
    ghost: list[int] = []
    count: dict[int, int] = {}
    small_share = max(capacity // 10, 1)
    hits = 0
    for block in blocks:
        if block in small or block in main:
            hits += 1
            count[block] = min(count[block] + 1, 3)
            continue
        if not capacity:
            continue
        remembered = block in ghost
        if remembered:
            ghost.remove(block)
        while len(small) + len(main) >= capacity:
            if len(main) > capacity - small_share or not small:
                while True:
                    oldest = main.pop(0)
                    if not count[oldest]:
                        break
                    count[oldest] -= 1
                    main.append(oldest)
            else:
                while small:
                    oldest = small.pop(0)
                    if count[oldest] <= 1:
                        ghost.append(oldest)
                        del ghost[: max(0, len(ghost) - capacity * 9 // 10)]
                        break
                    count[oldest] = 0
                    main.append(oldest)
        count[block] = 0
        (main if remembered else small).append(block)
    return hits


def belady(blocks: Sequence[int], capacity: int) -> int:
    cached: set[int] = set()
    hits = 0
    for i, block in enumerate(blocks):
        if block in cached:
            hits += 1
            continue
        if not capacity:
            continue
        if len(cached) == capacity:
            rest = list(blocks[i + 1 :])
            farthest = max(cached, key=lambda b: rest.index(b) if b in rest else len(rest))
            cached.remove(farthest)
        cached.add(block)
    return hits


def best_of_all(blocks: Sequence[int], capacity: int) -> int:
    """The most hits that any sequence of evictions gives, by trying them all."""
    states = {frozenset[int](): 0}
    for block in blocks:
        following: dict[frozenset[int], int] = {}
        for cached, hits in states.items():
            if block in cached:
                outcomes = [(cached, hits + 1)]
            elif len(cached) < capacity:
                outcomes = [(cached | {block}, hits)]
            else:
                outcomes = [((cached - {out}) | {block}, hits) for out in cached]
            for state, reached in outcomes:
                following[state] = max(following.get(state, 0), reached)
        states = following
    return max(states.values())


OBVIOUS: dict[str, Callable[[Sequence[int], int], int]] = {
    "lfu": lfu,
    "sieve": sieve,
    "s3fifo": s3fifo,
    "belady": belady,
}
