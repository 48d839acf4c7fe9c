"""An engine's log as a workload: a job calibrates on it, and the report has the chapter."""

from __future__ import annotations

import json

import msgspec
import pytest

from netra.client.api import Netra
from netra.embedded.info import StackInfo
from netra.schemas.job import JobRequest
from tests.acceptance.figures import dishonest, figures
from tests.shared_data import shared_data


@pytest.mark.stack
@pytest.mark.timeout(300)
def test_a_job_calibrates_on_an_engines_log_and_reports_it(stack: StackInfo) -> None:
    run = "vllm-runs/rtx4090-llama-3.1-8b"
    meta = json.loads(shared_data(f"{run}.meta.json").read_text())
    with Netra(stack.api_url, stack.api_key) as netra:
        workload = netra.workloads.create(shared_data(f"{run}.jsonl"), name="engine-log").workload
        request = {
            "workload_id": workload.id,
            "stages": [
                {"agent": "serving-fit"},
                {"agent": "report", "after": ["serving-fit"]},
            ],
            "params": {"serving-fit": {"meta": meta, "split": 0.5}},
        }
        job = netra.jobs.submit(msgspec.convert(request, JobRequest))
        ended = netra.jobs.wait(job.id, within_s=250)
        assert ended.state == "succeeded", [s.error for s in ended.stages or () if s.error]
        report = msgspec.json.decode(netra.jobs.report_text(job.id, "json"))
        html = netra.jobs.report_text(job.id, "html")
    (chapter,) = [s for s in report["sections"] if s["id"] == "serving-fit"]
    assert chapter["status"] == "ok"
    tpot, _, latency, _, ttft, _ = (f["value"] for f in chapter["figures"])
    assert abs(tpot) <= 0.04
    assert abs(latency) <= 0.04
    assert abs(ttft) <= 0.12
    assert {path: why for path, f in figures(report) if (why := dishonest(f))} == {}
    assert "Latency, predicted against measured" in html
