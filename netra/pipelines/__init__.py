"""The DAGs, and the planner that picks agents for a goal, from the catalog alone."""

from netra.pipelines.build import PlannedStage, build
from netra.pipelines.explicit import MAX_STAGES, StageRequest
from netra.pipelines.planner import plan_pipeline
from netra.pipelines.registry import Pipeline, StageSpec, all_pipelines, get

__all__ = [
    "MAX_STAGES",
    "Pipeline",
    "PlannedStage",
    "StageRequest",
    "StageSpec",
    "all_pipelines",
    "build",
    "get",
    "plan_pipeline",
]
