from __future__ import annotations

import msgspec
import pytest

from netra.cli.demo import _Demo
from netra.schemas.workload import Workload
from tests.unit.client.memory_api import EARLY, MemoryApi, job_json

WORKLOAD = msgspec.convert(
    {
        "id": "w",
        "name": "w",
        "state": "ready",
        "anchored": False,
        "events": 1,
        "min_ts": None,
        "max_ts": None,
        "created_at": EARLY,
    },
    Workload,
)


def test_a_demo_submits_a_job_that_later_ones_can_tell(api: MemoryApi) -> None:
    with api.blocking() as netra:
        job = _Demo(None, None, as_json=True)._submitted(netra, WORKLOAD)
    assert api.jobs[job.id]["labels"] == {"made-by": "netra-demo"}


def test_the_job_of_an_interrupted_demo_goes_on(
    api: MemoryApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.jobs["left"] = job_json("left", "running")
    with api.blocking() as netra:
        job = _Demo(None, None, as_json=True)._submitted(netra, WORKLOAD)
    assert job.id == "left"
    assert len(api.jobs) == 1
    asked = dict(api.requests[0].url.params)
    assert asked == {"state": "running", "workload_id": "w", "label.made-by": "netra-demo"}
