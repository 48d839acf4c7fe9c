"""Values as a command line gives them: parameters, labels, moments."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from netra.client.cells import value
from netra.errors import InvalidInput, Problem


def agent_params(given: Iterable[str]) -> dict[str, dict[str, Any]]:
    """`caching.capacities=1000,10000` → `{"caching": {"capacities": [1000, 10000]}}`.

    Raises:
        InvalidInput: one is not of the form AGENT.NAME=VALUE.
    """
    params: dict[str, dict[str, Any]] = {}
    for text in given:
        name, equals, rest = text.partition("=")
        agent, dot, parameter = name.partition(".")
        if not (equals and dot and agent and parameter):
            raise _wrong("--param", text, "AGENT.NAME=VALUE, e.g. caching.capacities=1000,10000")
        params.setdefault(agent, {})[parameter] = value(rest)
    return params


def labels(given: Iterable[str]) -> dict[str, str]:
    """`team=search` → `{"team": "search"}`. Raises InvalidInput for what has no `=`."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, rest = text.partition("=")
        if not equals or not name:
            raise _wrong("--label", text, "NAME=VALUE, e.g. team=search")
        found[name] = rest
    return found


def _wrong(where: str, got: str, expected: str) -> InvalidInput:
    problem = Problem(where=where, problem="not understood", got=got, expected=expected)
    return InvalidInput(f"{where} {got!r} is not understood", [problem])


class Moment(click.ParamType):
    """A time as RFC 3339 writes it; a date alone is its midnight, no zone is UTC."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time such as 2026-05-01T09:30:00Z", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def json_file(path: Path) -> Any:
    """The JSON in a file. Raises InvalidInput naming the line where it is not JSON."""
    try:
        return json.loads(path.read_text())
    except ValueError as e:
        raise InvalidInput(f"{path}: {e}") from e
