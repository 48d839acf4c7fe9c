"""What the catalog says of an agent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from netra.catalog.params import Params
from netra.errors import InvalidInput
from netra.validation import problem_of

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
    params: type[Params] = Params
    #: Event columns that it reads; none: it is given no events.
    columns: tuple[str, ...] = ()
    #: Reads durations that make no sense as unknown, where `netra analyze` would refuse the file:
    #: it says itself what it leaves out.
    lenient: bool = False
    #: Whether it reads demand series, where the workload has any.
    reads_demand: bool = False
    #: Agents whose results it uses if they ran before it in the job.
    upstream: tuple[str, ...] = ()
    #: The goal's questions (`schemas.goal.Question`) that it helps to answer; none: every one.
    answers: tuple[str, ...] = ()
    #: Only where the job has parameters for it, whatever the question.
    on_request: bool = False
    #: Stages this short may be claimed several at once.
    short: bool = False
    #: A stage that runs longer is stopped and counts as failed, seconds.
    limit_s: float = 3600.0
    #: Agents that only tests and measurements use are not listed.
    internal: bool = field(default=False)

    def parse_params(self, raw: dict[str, Any], where: str = "params") -> Params:
        """Typed parameters; text as a command line gives it is understood.

        Raises:
            InvalidInput: a parameter is unknown or out of range; names which.
        """
        try:
            parsed = msgspec.convert(raw, self.params, strict=False)
        except msgspec.ValidationError as e:
            problem = problem_of(e, raw, self.params, where)
            detail = f"agent {self.name!r} cannot take these parameters"
            raise InvalidInput(detail, [problem]) from e
        parsed.check(where)
        return parsed
