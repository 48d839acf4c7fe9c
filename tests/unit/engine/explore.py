"""Explores a model whole: every state that any order of steps can reach, breadth first."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tests.unit.engine.queue_model import Model, State, broken, canonical

#: What the system does by itself; a job must be able to end without anybody's help.
_PEOPLE = ("stop", "retry")


@dataclass(frozen=True, kw_only=True)
class Explored:
    states: int
    steps: int
    #: The first invariant found broken, with the shortest way there.
    violation: str | None
    path: tuple[str, ...]
    #: States of a job that has not ended, from which it cannot end by itself.
    stuck: tuple[State, ...] = ()


def explore(model: Model, at_most: int = 2_000_000) -> Explored:
    """Stops at the first violation; else says which states are stuck.

    Raises:
        RuntimeError: there are more than `at_most` states.
    """
    first = canonical(model, model.start())
    came: dict[State, tuple[State, str] | None] = {first: None}
    back: dict[State, list[State]] = {}
    queue = deque([first])
    steps = 0
    while queue:
        state = queue.popleft()
        for name, after in model.steps(state):
            steps += 1
            after = canonical(model, after)
            if name not in _PEOPLE:
                back.setdefault(after, []).append(state)
            if after in came:
                continue
            came[after] = (state, name)
            if problem := broken(model, after):
                return Explored(
                    states=len(came), steps=steps, violation=problem, path=_path(came, after)
                )
            if len(came) > at_most:
                raise RuntimeError(f"more than {at_most} states")
            queue.append(after)
    return Explored(
        states=len(came), steps=steps, violation=None, path=(), stuck=_stuck(came, back)
    )


def _path(came: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    names: list[str] = []
    while (step := came[state]) is not None:
        state, name = step
        names.append(name)
    return tuple(reversed(names))


def _stuck(
    came: dict[State, tuple[State, str] | None], back: dict[State, list[State]]
) -> tuple[State, ...]:
    can = {state for state in came if state.job not in ("queued", "running")}
    queue = deque(can)
    while queue:
        for before in back.get(queue.popleft(), ()):
            if before not in can:
                can.add(before)
                queue.append(before)
    return tuple(state for state in came if state not in can)
