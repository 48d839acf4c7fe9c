from __future__ import annotations

import json

import httpx

from tests.unit.cli.conftest import Run
from tests.unit.client.memory_api import MemoryApi


def page(jobs: list[str], refused: list[str], *, more: bool) -> httpx.Response:
    told = [{"job_id": job, "detail": f"{job} cannot"} for job in refused]
    return httpx.Response(202, json={"jobs": jobs, "refused": told, "more": more})


def test_what_every_call_refused_is_told(run: Run, api: MemoryApi) -> None:
    api.fail_next = [
        page(["a"], ["w", "x", "y"], more=True),
        # What was refused may be met again, and be taken.
        page(["y"], ["x", "z"], more=False),
    ]
    result = run(["dead-letter", "replay", "--all", "--json"])
    answer = json.loads(result.stdout)
    assert answer["jobs"] == ["a", "y"]
    assert [r["job_id"] for r in answer["refused"]] == ["w", "x", "z"]


def test_few_of_many_refusals_are_shown_and_all_are_counted(run: Run, api: MemoryApi) -> None:
    api.fail_next = [page(["a"], [f"job-{i}" for i in range(500)], more=False)]
    lines = run(["dead-letter", "replay", "--all"]).stdout.splitlines()
    assert lines[0] == "1 jobs run again by this call, 500 do not"
    assert lines[1] == "job job-0: job-0 cannot"
    assert lines[-1] == "… and 480 more (--json shows all)"
    assert len(lines) == 22
