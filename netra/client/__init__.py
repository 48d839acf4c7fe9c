"""The typed client of Netra's API, blocking and awaiting."""

from netra.client.api import AsyncNetra, Netra
from netra.client.follow import NotFinished, Position
from netra.client.problems import Unreachable
from netra.client.retry import Retry
from netra.schemas.job import JobRequest

__all__ = [
    "AsyncNetra",
    "JobRequest",
    "Netra",
    "NotFinished",
    "Position",
    "Retry",
    "Unreachable",
]
