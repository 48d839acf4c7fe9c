"""Which agents exist: name, pool, parameters, what they need, and where their code is.

The API validates jobs against this without importing any numerics.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from netra.catalog import params
from netra.errors import InvalidInput, Problem
from netra.models.event import EVENT_COLUMN_NAMES

Pool = Literal["cpu", "gpu"]


@dataclass(frozen=True, kw_only=True)
class AgentSpec:
    """A catalog entry."""

    name: str
    #: What it computes, one sentence.
    summary: str
    pool: Pool
    #: `module:function`, imported only by workers and `netra analyze`.
    path: str
    #: The msgspec struct of its parameters.
    params: type[params.Params] = params.Params
    #: Event columns that it reads; none: it is given no events.
    columns: tuple[str, ...] = ()
    #: Agents whose results it uses if they ran before it in the job.
    upstream: tuple[str, ...] = ()
    #: The goal's questions (`schemas.goal.Question`) that it helps to answer; none: every one.
    answers: tuple[str, ...] = ()
    #: Stages this short may be claimed several at once.
    short: bool = False
    #: A stage that runs longer is stopped and counts as failed, seconds.
    limit_s: float = 3600.0
    #: Agents that only tests and measurements use are not listed.
    internal: bool = field(default=False)

    def parse_params(self, raw: dict[str, Any], where: str = "params") -> params.Params:
        """Typed parameters; text as a command line gives it is understood.

        Raises:
            InvalidInput: a parameter is unknown or out of range; names which.
        """
        try:
            parsed = msgspec.convert(raw, self.params, strict=False)
        except msgspec.ValidationError as e:
            known = ", ".join(self.params.__struct_fields__) or "none"
            raise InvalidInput(
                f"agent {self.name!r} cannot take these parameters",
                [Problem(where=where, problem=str(e), got=raw, expected=f"parameters: {known}")],
            ) from e
        parsed.check(where)
        return parsed


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


register(
    AgentSpec(
        name="noop",
        summary="Does nothing, or sleeps, fails or reports progress on request: for measurements.",
        pool="cpu",
        path="netra.agents.noop:run",
        params=params.NoopParams,
        short=True,
        internal=True,
    )
)
register(
    AgentSpec(
        name="noop-gpu",
        summary="The noop agent on the gpu pool.",
        pool="gpu",
        path="netra.agents.noop:run",
        params=params.NoopParams,
        short=True,
        internal=True,
    )
)
register(
    AgentSpec(
        name="triage",
        summary="Judges what the workload can answer: which columns, levers and parts of the goal.",
        pool="cpu",
        path="netra.agents.triage:run",
        columns=tuple(
            "prefix_blocks" if c == "prefix_hashes" else c
            for c in EVENT_COLUMN_NAMES
            if c not in ("event_id", "attributes")
        ),
    )
)
register(
    AgentSpec(
        name="profile",
        summary="Usage, cost at list prices, latency percentiles, errors, trend and seasons.",
        pool="cpu",
        path="netra.agents.profile:run",
        params=params.ProfileParams,
        columns=(
            *("ts", "provider", "model", "app", "feature", "user_id", "tool_name", "operation"),
            *("environment", "session_id", "input_tokens", "output_tokens", "cached_input_tokens"),
            *("cache_write_tokens", "reasoning_tokens", "queued_ms", "ttft_ms", "latency_ms"),
            *("status", "error_code", "cost_usd", "quality"),
        ),
        upstream=("triage",),
    )
)
register(
    AgentSpec(
        name="caching",
        summary="The exact hit ratio of a prefix cache at every capacity, from the blocks' hashes.",
        pool="cpu",
        path="netra.agents.caching:run",
        params=params.CachingParams,
        columns=("ts", "prefix_hashes", "block_tokens"),
        upstream=("triage",),
        answers=("optimize", "audit_caching"),
    )
)
#: What the replay of prompts needs of each event.
PROMPT_COLUMNS = (
    *("ts", "session_id", "provider", "model", "feature", "input_tokens", "output_tokens"),
    *("prefix_hashes", "block_tokens", "attributes"),
)
register(
    AgentSpec(
        name="prompt-cache",
        summary="What the provider's prompt cache costs and saves, by how long blocks live.",
        pool="cpu",
        path="netra.agents.prompt_cache:run",
        params=params.PromptCacheParams,
        columns=PROMPT_COLUMNS,
        upstream=("triage",),
        answers=("optimize", "audit_caching"),
    )
)
#: What planning needs beside the replay: what was paid, and what a goal may select by.
_PLANNED_COLUMNS = (
    *PROMPT_COLUMNS,
    *("cached_input_tokens", "cache_write_tokens", "cost_usd"),
    *("app", "environment", "user_id", "operation", "tool_name", "status"),
)
register(
    AgentSpec(
        name="plan",
        summary="The levers that are jointly best, chosen on the first part of the traffic alone.",
        pool="cpu",
        path="netra.agents.plan:run",
        params=params.PlanParams,
        columns=_PLANNED_COLUMNS,
        upstream=("triage", "profile", "caching", "prompt-cache"),
        answers=("optimize", "audit_caching"),
    )
)
register(
    AgentSpec(
        name="backtest",
        summary="The frozen plan on traffic that it has not seen, with bootstrap intervals.",
        pool="gpu",
        path="netra.agents.backtest:run",
        params=params.BacktestParams,
        columns=_PLANNED_COLUMNS,
        upstream=("triage", "plan"),
        answers=("optimize", "audit_caching"),
    )
)
register(
    AgentSpec(
        name="report",
        summary="The answer, its figures and recommendations, and what cannot be said and why.",
        pool="cpu",
        path="netra.agents.report:run",
        columns=(
            *("ts", "provider", "model", "app", "feature", "environment", "user_id", "operation"),
            *("tool_name", "input_tokens", "output_tokens", "status"),
        ),
        upstream=("triage", "profile", "caching", "prompt-cache", "plan", "backtest"),
    )
)
