"""Netra's one exception tree. The class docstring is the default message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with an input, in the words of the person who sent it."""

    #: Where it is: a JSON path (`stages[2].agent`), a column, or `line 7, column 3`.
    where: str
    #: What is wrong there, and what to do about it.
    problem: str
    #: The offending value, shortened.
    got: Any = None
    #: What would have been accepted.
    expected: Any = None

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}"
        if self.got is not None:
            text += f" (got {self.got!r})"
        return text if self.expected is None else f"{text} (expected {self.expected})"


@dataclass(eq=False)
class NetraError(Exception):
    """Something went wrong in Netra."""

    detail: str = ""
    errors: Sequence[Problem] = field(default_factory=tuple)

    #: The HTTP status that the API answers with.
    status = 500
    #: The last part of the problem's `type` URI; a stable name for programs.
    slug = "internal-error"

    def __post_init__(self) -> None:
        self.detail = self.detail or (self.__doc__ or "").strip()
        super().__init__(self.detail)

    def __str__(self) -> str:
        return "\n".join([self.detail, *(f"  {problem}" for problem in self.errors)])


class InvalidInput(NetraError):
    """The request cannot be understood as it stands."""

    status = 400
    slug = "invalid-input"


class InvalidEvents(InvalidInput):
    """The file holds rows that are not events."""

    status = 422
    slug = "invalid-events"


class InvalidGoal(InvalidInput):
    """The goal cannot be parsed into objectives and constraints."""

    status = 422
    slug = "invalid-goal"


class Unauthorized(NetraError):
    """The call carries no valid API key."""

    status = 401
    slug = "unauthorized"


class NotFound(NetraError):
    """There is no such thing, or it belongs to somebody else."""

    status = 404
    slug = "not-found"


class Conflict(NetraError):
    """The thing is in a state that does not allow this."""

    status = 409
    slug = "conflict"


class TooLarge(NetraError):
    """The input is larger than the limit."""

    status = 413
    slug = "too-large"


class StoreUnavailable(NetraError):
    """A store does not answer."""

    status = 503
    slug = "store-unavailable"


class LeaseLost(NetraError):
    """The stage is no longer this worker's: its token is stale, so the write was refused."""

    status = 409
    slug = "lease-lost"


class Unstorable(NetraError):
    """The store cannot hold what it was given."""

    status = 422
    slug = "unstorable"


class StageCancelled(NetraError):
    """The stage was asked to stop."""

    status = 409
    slug = "stage-cancelled"


class InsufficientData(NetraError):
    """The workload cannot answer this; `needs` names what is missing."""

    status = 422
    slug = "insufficient-data"

    def __init__(self, detail: str = "", needs: Sequence[str] = ()) -> None:
        super().__init__(detail)
        self.needs = list(needs)


class SettingsError(NetraError):
    """The settings are wrong."""

    slug = "settings"
