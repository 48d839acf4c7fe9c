"""Agents, as the catalog has them."""

from __future__ import annotations

import msgspec
from litestar import Controller, get
from litestar.params import FromPath

from netra.catalog import agents
from netra.catalog.agent import AgentSpec
from netra.errors import InvalidInput, NotFound
from netra.schemas.agent import Agent
from netra.schemas.page import Page


def _agent(spec: AgentSpec) -> Agent:
    return Agent(
        name=spec.name,
        summary=spec.summary,
        pool=spec.pool,
        params=msgspec.json.schema(spec.params),
        columns=spec.columns,
        upstream=spec.upstream,
        limit_s=spec.limit_s,
    )


class AgentController(Controller):
    path = "/agents"
    tags = ("catalog",)

    @get("/", summary="List agents, by name")
    async def list(self) -> Page[Agent]:
        """Those that only measure and test (`noop` and its like) are left out; jobs can be made of
        them all the same, and each can be shown by its name."""
        listed = [spec for spec in agents.all_agents() if not spec.internal]
        return Page(items=tuple(_agent(spec) for spec in listed))

    @get("/{name:str}", summary="Show an agent, with its parameters as JSON schema")
    async def show(self, name: FromPath[str]) -> Agent:
        try:
            return _agent(agents.get(name))
        except InvalidInput as e:
            raise NotFound(e.detail, e.errors) from e
