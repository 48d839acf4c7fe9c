"""Agents and pipelines, as the catalog describes them."""

from __future__ import annotations

from typing import Any

import msgspec


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    summary: str
    pool: str
    #: JSON schema of the parameters.
    params: dict[str, Any]
    #: Event columns that it reads.
    columns: tuple[str, ...]
    #: Agents whose results it uses if they ran before it in the job.
    upstream: tuple[str, ...]
    limit_s: float


class PipelineStage(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    agent: str
    after: tuple[str, ...]
    #: Runs only in jobs that have parameters for its agent.
    optional: bool = False


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    summary: str
    stages: tuple[PipelineStage, ...]
