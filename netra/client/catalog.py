"""What the server offers: agents, pipelines, and the prices that plans are made with."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import quote

from netra.client.call import Awaiting, Blocking, call, paged
from netra.client.request import PREFIX, Request, as_json, get, nothing
from netra.schemas.agent import Agent, Pipeline
from netra.schemas.page import Page
from netra.schemas.supply import Supply, SupplyRequest, SupplyRow


class AgentCalls:
    @paged
    def list(self) -> Request[Page[Agent]]:
        """All agents, by name."""
        return get("/agents", as_json(Page[Agent]))

    @call
    def get(self, name: str) -> Request[Agent]:
        """The agent, with its parameters as JSON schema."""
        return get(f"/agents/{quote(name, safe='')}", as_json(Agent))


class PipelineCalls:
    @paged
    def list(self) -> Request[Page[Pipeline]]:
        """All named pipelines, by name."""
        return get("/pipelines", as_json(Page[Pipeline]))

    @call
    def get(self, name: str) -> Request[Pipeline]:
        """The pipeline, with its stages."""
        return get(f"/pipelines/{quote(name, safe='')}", as_json(Pipeline))


class SupplyCalls:
    @call
    def list(self, kind: str | None = None) -> Request[Supply]:
        """The tenant's own rows, and which price list holds where there is none."""
        return get("/supply", as_json(Supply), kind=kind)

    @call
    def put(
        self, kind: str, name: str, *, effective_from: date, content: dict[str, Any]
    ) -> Request[SupplyRow]:
        """Prices or limits of the tenant's own, from a day on."""
        return Request(
            method="PUT",
            path=_row(kind, name),
            read=as_json(SupplyRow),
            json=SupplyRequest(effective_from=effective_from, content=content),
            repeatable=True,
        )

    @call
    def delete(self, kind: str, name: str) -> Request[None]:
        """Takes the tenant's rows of this name away: the price list holds again."""
        return Request(method="DELETE", path=_row(kind, name), read=nothing)


class Agents(AgentCalls, Blocking):
    """The catalog of agents."""


class AsyncAgents(AgentCalls, Awaiting):
    """The catalog of agents."""


class Pipelines(PipelineCalls, Blocking):
    """The named pipelines."""


class AsyncPipelines(PipelineCalls, Awaiting):
    """The named pipelines."""


class SupplyRows(SupplyCalls, Blocking):
    """The supply catalog."""


class AsyncSupplyRows(SupplyCalls, Awaiting):
    """The supply catalog."""


def _row(kind: str, name: str) -> str:
    return f"{PREFIX}/supply/{quote(kind, safe='')}/{quote(name)}"
