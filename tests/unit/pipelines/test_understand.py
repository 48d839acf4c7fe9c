from __future__ import annotations

from typing import Any

import pytest

from netra.errors import InvalidGoal, InvalidInput
from netra.pipelines.understand import understand
from netra.schemas.job import JobRequest


def test_a_job_whose_agents_read_nothing_needs_no_workload() -> None:
    understood = understand(JobRequest(stages=({"agent": "noop"},)))
    assert understood.readers == ()
    assert [stage.name for stage in understood.stages] == ["noop"]
    assert understood.goal.text is None


def test_a_job_whose_agents_read_events_does() -> None:
    stages = ({"agent": "profile"}, {"agent": "noop"})
    with pytest.raises(InvalidInput) as caught:
        understand(JobRequest(stages=stages))
    assert caught.value.errors[0].where == "workload_id"
    assert "profile" in caught.value.errors[0].problem
    assert understand(JobRequest(workload_id="w", stages=stages)).readers == ("profile",)


def test_a_goal_that_is_not_understood_is_refused() -> None:
    with pytest.raises(InvalidGoal):
        understand(JobRequest(goal="make it purple", stages=({"agent": "noop"},)))


@pytest.mark.parametrize(
    ("asked", "pipeline"),
    [
        ({"pipeline": "profile"}, "profile"),
        ({"goal": "Cut cost by 20 %"}, "planned:optimize"),
        ({"goal": "Audit our prompt caching."}, "planned:audit_caching"),
        ({"pipeline": "caching", "goal": "Audit our prompt caching."}, "caching"),
        ({}, "optimize"),
        ({"stages": ({"agent": "noop"},)}, None),
    ],
)
def test_a_job_says_what_pipeline_it_runs(asked: dict[str, Any], pipeline: str | None) -> None:
    assert understand(JobRequest(workload_id="w", **asked)).pipeline == pipeline
