"""Pipelines: the DAGs that have a name."""

from __future__ import annotations

from litestar import Controller, get
from litestar.params import FromPath

from netra.errors import InvalidInput, NotFound
from netra.pipelines import registry
from netra.schemas.agent import Pipeline, PipelineStage
from netra.schemas.page import Page


def _pipeline(found: registry.Pipeline) -> Pipeline:
    stages = tuple(
        PipelineStage(name=s.name, agent=s.agent, after=s.after, optional=s.optional)
        for s in found.stages
    )
    return Pipeline(name=found.name, summary=found.summary, stages=stages)


class PipelineController(Controller):
    path = "/pipelines"
    tags = ("catalog",)

    @get("/", summary="List pipelines, by name")
    async def list(self) -> Page[Pipeline]:
        return Page(items=tuple(_pipeline(p) for p in registry.all_pipelines()))

    @get("/{name:str}", summary="Show a pipeline's stages")
    async def show(self, name: FromPath[str]) -> Pipeline:
        try:
            return _pipeline(registry.get(name))
        except InvalidInput as e:
            raise NotFound(e.detail, e.errors) from e
