"""`netra agent` and `netra pipeline`: what a job can be made of."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Group
from rich.table import Table

from netra.cli import output
from netra.cli.connection import with_api
from netra.cli.output import emit, json_option
from netra.client import Netra
from netra.schemas.agent import Agent, Pipeline


@click.group()
def agent() -> None:
    """Show what agents there are."""


@agent.command("list")
@json_option
@with_api
def list_agents(as_json: bool, netra: Netra) -> None:
    """List the agents, but for those that only measure and test (noop, noop-short, noop-gpu)."""
    found = list(netra.agents.list())
    emit({"items": found}, as_json, lambda page: _agents(page["items"]))


@agent.command("show")
@click.argument("name")
@json_option
@with_api
def show_agent(name: str, as_json: bool, netra: Netra) -> None:
    """Show what the agent NAME does, needs and takes."""
    emit(netra.agents.get(name), as_json, _agent)


@click.group()
def pipeline() -> None:
    """Show what pipelines there are."""


@pipeline.command("list")
@json_option
@with_api
def list_pipelines(as_json: bool, netra: Netra) -> None:
    """List all named pipelines."""
    found = list(netra.pipelines.list())
    emit({"items": found}, as_json, lambda page: _pipelines(page["items"]))


@pipeline.command("show")
@click.argument("name")
@json_option
@with_api
def show_pipeline(name: str, as_json: bool, netra: Netra) -> None:
    """Show the stages of the pipeline NAME."""
    emit(netra.pipelines.get(name), as_json, _pipeline)


def _agents(agents: list[Agent]) -> Table:
    shown = output.table("agent", "pool", "what it does")
    for a in agents:
        shown.add_row(a.name, a.pool, a.summary)
    return shown


def _agent(a: Agent) -> Group:
    shown = output.table("parameter", "type", "default")
    for name, schema in _properties(a).items():
        default = schema.get("default")
        kind = schema.get("type") or " or ".join(
            str(option.get("type")) for option in schema.get("anyOf", ())
        )
        shown.add_row(name, str(kind), "" if default is None else str(default))
    reads = ", ".join(a.columns) or "no events"
    after = ", ".join(a.upstream) or "no other agent"
    return Group(
        f"{a.name} ({a.pool}): {a.summary}", f"reads: {reads}", f"uses: {after}", "", shown
    )


def _properties(a: Agent) -> dict[str, dict[str, Any]]:
    """The parameters' schemas: the root's own, or of the definition that it refers to."""
    root = a.params
    if name := str(root.get("$ref", "")).rpartition("/")[2]:
        root = root.get("$defs", {}).get(name, {})
    return root.get("properties", {})


def _pipelines(pipelines: list[Pipeline]) -> Table:
    shown = output.table("pipeline", "stages", "what it answers", right=("stages",))
    for p in pipelines:
        shown.add_row(p.name, str(len(p.stages)), p.summary)
    return shown


def _pipeline(p: Pipeline) -> Group:
    shown = output.table("stage", "agent", "after")
    for stage in p.stages:
        shown.add_row(stage.name, stage.agent, ", ".join(stage.after))
    return Group(f"{p.name}: {p.summary}", "", shown)
