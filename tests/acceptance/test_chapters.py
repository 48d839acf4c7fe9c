"""Fleets, forecasts and commitments as jobs: submitted, fanned out, merged, reported."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from netra.client.api import Netra
from netra.embedded.info import StackInfo
from netra.schemas.job import JobRequest
from tests.acceptance.figures import dishonest, figures


def reported(stack: StackInfo, file: Path, **request: Any) -> tuple[Any, dict[str, Any]]:
    """The ended job on a workload of the file, and its report; every figure of it is honest."""
    with Netra(stack.api_url, stack.api_key) as netra:
        workload = netra.workloads.create(file, name=file.stem).workload
        body = {"workload_id": workload.id, **request}
        job = netra.jobs.submit(msgspec.convert(body, JobRequest))
        ended = netra.jobs.wait(job.id, within_s=250)
        assert ended.state == "succeeded", [s.error for s in ended.stages or () if s.error]
        report = msgspec.json.decode(netra.jobs.report_text(job.id, "json"))
        assert "<svg" in netra.jobs.report_text(job.id, "html")
    assert {path: why for path, f in figures(report) if (why := dishonest(f))} == {}
    return ended, {s["id"]: s for s in report["sections"]} | {"answer": report["answer"]}


@pytest.mark.stack
@pytest.mark.timeout(300)
def test_a_fleet_is_searched_by_several_stages_and_merged(stack: StackInfo, tmp_path: Path) -> None:
    file = tmp_path / "served-traffic.csv"
    rows = "".join(
        f"2026-03-02T09:{i // 60 % 60:02}:{i % 60:02}Z,{200 + 37 * i % 900},{20 + 13 * i % 200}\n"
        for i in range(600)
    )
    file.write_text(f"ts,input_tokens,output_tokens\n{rows}")
    wanted = {"model": "meta-llama/Llama-3.1-8B", "ttft_p95_ms": 1000, "tpot_p95_ms": 50}
    gpus = ["h100", "a100-80gb"]
    prices = {"h100": 3.0, "a100-80gb": 2.0}
    params = {"capacity": wanted | {"gpus": gpus, "gpu_usd_per_hour": prices, "resamples": 20}}
    job, found = reported(stack, file, pipeline="capacity", params=params)
    # One stage that hands the search out, one for each GPU, one that merges.
    assert len([s for s in job.stages if s.agent == "capacity"]) == 2 + len(gpus)
    chapter = found["capacity"]
    assert chapter["status"] == "ok"
    # A trickle for an 8B model: one of the cheaper cards holds.
    assert "1 replica of 1 x a100-80gb" in chapter["says"]
    assert chapter["says"] in found["answer"]
    assert {c["kind"] for c in chapter["changes"]} == {"vllm", "kubernetes"}


@pytest.mark.stack
@pytest.mark.timeout(300)
def test_a_demand_series_is_forecast_and_committed_to(stack: StackInfo, tmp_path: Path) -> None:
    file = tmp_path / "demand-of-a-month.csv"
    rows = "".join(
        f"{3600 * h},web,{10 + 4 * math.sin(2 * math.pi * h / 24) + h * 7 % 5 / 10}\n"
        for h in range(28 * 24)
    )
    file.write_text(f"t,client,rate\n{rows}")
    params = {"commitment": {"price_ratio": 0.6}}
    _, found = reported(stack, file, pipeline="demand", params=params)
    assert found["demand"]["status"] == "ok"
    assert found["commitment"]["status"] == "ok"
    (error,) = [
        f for f in found["demand"]["figures"] if f["label"].startswith("Error of the total")
    ]
    assert error["value"] < 0.1
    assert found["demand"]["says"] in found["answer"]
