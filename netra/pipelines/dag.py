"""The order of a graph of named stages, and the cycle that prevents one."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence


def topological_order(after: Mapping[str, Sequence[str]]) -> list[str]:
    """Names so that each comes after those that it waits for; ties keep the mapping's order.

    Every name in a value must also be a key. A shorter result than `after` means a cycle among
    the names left out (Kahn 1962); `O(stages + edges)`.
    """
    waiting = {name: len(set(before)) for name, before in after.items()}
    followers: dict[str, list[str]] = {name: [] for name in after}
    for name, before in after.items():
        for earlier in dict.fromkeys(before):
            followers[earlier].append(name)
    ready = deque(name for name, count in waiting.items() if count == 0)
    order: list[str] = []
    while ready:
        order.append(name := ready.popleft())
        for follower in followers[name]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                ready.append(follower)
    return order


def find_cycle(after: Mapping[str, Sequence[str]]) -> list[str]:
    """One cycle as a path in running order, its first name repeated at the end; empty if none."""
    ordered = set(topological_order(after))
    stuck = [name for name in after if name not in ordered]
    if not stuck:
        return []
    # Every stuck name waits for a stuck name, so walking back must come round.
    path: list[str] = []
    seen: dict[str, int] = {}
    name = stuck[0]
    while name not in seen:
        seen[name] = len(path)
        path.append(name)
        name = next(earlier for earlier in after[name] if earlier not in ordered)
    cycle = path[seen[name] :]
    cycle.reverse()
    return [*cycle, cycle[0]]


def ancestors(after: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """For each name of an acyclic graph, all names that run before it."""
    found: dict[str, set[str]] = {}
    for name in topological_order(after):
        found[name] = set(after[name]).union(*(found[earlier] for earlier in after[name]))
    return found


def without(
    after: Mapping[str, Sequence[str]], dropped: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """An acyclic graph less some names: what waited for one waits for what that waited for."""
    kept: dict[str, tuple[str, ...]] = {}
    for name in topological_order(after):
        before: list[str] = []
        for earlier in after[name]:
            before += kept[earlier] if earlier in dropped else (earlier,)
        kept[name] = tuple(dict.fromkeys(before))
    # In the order in which they were given.
    return {name: kept[name] for name in after if name not in dropped}


def reduce_edges(after: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The same order with the fewest edges: what waits for B, which waits for A, need not name A.

    Raises:
        ValueError: the graph has a cycle.
    """
    if cycle := find_cycle(after):
        raise ValueError(f"cycle: {' → '.join(cycle)}")
    before = ancestors(after)
    reduced: dict[str, tuple[str, ...]] = {}
    for name, direct in after.items():
        implied: set[str] = set().union(*(before[earlier] for earlier in direct))
        reduced[name] = tuple(e for e in dict.fromkeys(direct) if e not in implied)
    return reduced
