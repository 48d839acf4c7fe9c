"""Which agents exist: name, pool, parameters, what they need, and where their code is.

The API validates jobs against this without importing any numerics.
"""

from __future__ import annotations

from netra.catalog.agent import AgentSpec
from netra.catalog.listed import caching, demand, fitting, measuring, planning, profiling, serving
from netra.errors import InvalidInput, Problem

_AGENTS: dict[str, AgentSpec] = {}


def register(spec: AgentSpec) -> AgentSpec:
    """Adds an entry; names are unique."""
    if spec.name in _AGENTS:
        raise ValueError(f"agent {spec.name!r} is registered twice")
    _AGENTS[spec.name] = spec
    return spec


def all_agents() -> list[AgentSpec]:
    return sorted(_AGENTS.values(), key=lambda a: a.name)


def get(name: str, where: str = "agent") -> AgentSpec:
    """The entry called `name`.

    Raises:
        InvalidInput: there is none; says which there are.
    """
    if name not in _AGENTS:
        known = ", ".join(a.name for a in all_agents() if not a.internal)
        raise InvalidInput(
            f"there is no agent {name!r}",
            [Problem(where=where, problem="unknown agent", got=name, expected=f"one of: {known}")],
        )
    return _AGENTS[name]


for _entry in (
    *measuring.ENTRIES,
    *profiling.ENTRIES,
    *caching.ENTRIES,
    *fitting.ENTRIES,
    *serving.ENTRIES,
    *demand.ENTRIES,
    *planning.ENTRIES,
):
    register(_entry)
