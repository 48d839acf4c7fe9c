"""Agents that behave in one particular way."""

from __future__ import annotations

from typing import Any

import psycopg

from netra import settings
from netra.agents.base import Context, Inputs, StageResult
from netra.catalog.agent import AgentSpec
from netra.catalog.agents import get, register
from netra.errors import InsufficientData, InvalidInput, StoreUnavailable
from netra.store.postgres import dsn


def huge(inputs: Inputs, params: Any, context: Context) -> StageResult:
    return StageResult(content={"payload": "x" * 300_000})


def unsupported(inputs: Inputs, params: Any, context: Context) -> StageResult:
    raise InsufficientData("no hashes", needs=["prefix_hashes"])


def refuses(inputs: Inputs, params: Any, context: Context) -> StageResult:
    raise InvalidInput("this cannot work, however often it is tried")


def away(inputs: Inputs, params: Any, context: Context) -> StageResult:
    raise StoreUnavailable("ClickHouse does not answer")


def cuts_the_line(inputs: Inputs, params: Any, context: Context) -> StageResult:
    """Ends every connection of the workers to PostgreSQL, this stage's own among them."""
    with psycopg.connect(dsn(settings.current().database), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'netra-worker-%'"
        )
    return StageResult(content={"survived": True})


def merges(inputs: Inputs, params: Any, context: Context) -> StageResult:
    return StageResult(content={"parts": list(inputs.parts), "upstream": dict(inputs.upstream)})


def holds_a_nul(inputs: Inputs, params: Any, context: Context) -> StageResult:
    return StageResult(content={"models": [{"name": "a\0b"}]})


def quotes_a_nul(inputs: Inputs, params: Any, context: Context) -> StageResult:
    raise InvalidInput("no model is named a\0b")


def saves_a_nul(inputs: Inputs, params: Any, context: Context) -> StageResult:
    context.checkpoint({"name": "a\0b"})
    return StageResult(content={})


NAMES = (
    "holds_a_nul",
    "quotes_a_nul",
    "saves_a_nul",
    "huge",
    "unsupported",
    "refuses",
    "away",
    "cuts_the_line",
    "merges",
)


def known() -> None:
    """Adds these agents to the catalog, once."""
    for name in NAMES:
        try:
            get(f"test-{name}")
        except InvalidInput:
            register(
                AgentSpec(
                    name=f"test-{name}",
                    summary="For tests.",
                    pool="cpu",
                    path=f"{__name__}:{name}",
                    upstream=("noop",),
                    internal=True,
                )
            )
