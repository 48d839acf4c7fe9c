"""What `serving-fit` leaves is what `capacity` sizes by, on the GPU of that log and on no other."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from netra.agents.capacity_planning.hardware import known_calibration
from netra.analysis.serving.calibrated import EngineCalibration
from netra.analysis.serving.roofline import UNCALIBRATED, Efficiencies
from netra.analysis.serving.step_source import ErrorBand
from netra.catalog.params import CapacityParams
from netra.errors import InvalidInput
from tests.unit.agents.test_capacity import LIMITS, inputs_of, run, traffic

#: An engine on L40S cards that reads weights more slowly than is taken to be typical.
SLOW = EngineCalibration(
    source="roofline",
    model="meta-llama/Llama-3.1-8B",
    gpu="l40s",
    tensor=1,
    data=1,
    adjustment=Efficiencies(weights=0.7, kv=0.6, step_s=2e-3),
    link_bytes_per_s=None,
    error=ErrorBand(tpot=0.03, ttft=0.05, basis="by hand", n=5),
)
ONE_GPU = {"gpus": ["l40s"], "max_gpus_per_replica": 1, **LIMITS}


def answer(**params: Any) -> Any:
    return run(inputs_of(traffic()), **ONE_GPU, **params).content


def test_a_slower_engine_needs_a_larger_fleet() -> None:
    typical, slow = answer(), answer(calibration=SLOW.as_json())
    assert typical["step_times"]["sources"] == {"l40s": "roofline"}
    assert typical["step_times"]["error"]["tpot"] == UNCALIBRATED.tpot
    assert slow["step_times"]["sources"] == {"l40s": "roofline+calibration"}
    assert slow["step_times"]["error"]["tpot"] == 0.03
    assert slow["fleet"]["replicas"] > typical["fleet"]["replicas"]


def test_the_whole_result_or_a_stage_before_it_say_the_same() -> None:
    direct = answer(calibration=SLOW.as_json())
    whole = answer(calibration={"relative_error": {}, "calibration": SLOW.as_json()})
    left = {"serving-fit": {"calibration": SLOW.as_json()}}
    inputs = dataclasses.replace(inputs_of(traffic()), upstream=left)
    staged = run(inputs, **ONE_GPU).content
    for other in (whole, staged):
        assert other["fleet"] == direct["fleet"]
        assert other["percentiles"] == direct["percentiles"]


def test_a_stage_that_lacked_data_and_a_log_of_another_gpu_change_nothing() -> None:
    plain = answer()
    lacking = {"serving-fit": {"status": "insufficient_data", "needs": ["…"]}}
    inputs = dataclasses.replace(inputs_of(traffic()), upstream=lacking)
    elsewhere = dataclasses.replace(SLOW, gpu="h100").as_json()
    for content in (run(inputs, **ONE_GPU).content, answer(calibration=elsewhere)):
        assert content["fleet"] == plain["fleet"]
        assert content["step_times"] == plain["step_times"]


def test_what_is_no_calibration_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no calibration"):
        answer(calibration={"efficiencies": {}})


def test_a_fit_that_left_no_calibration_is_refused_as_one() -> None:
    params = CapacityParams(
        model="Qwen/Qwen3-8B", calibration={"calibration": None, "implausible": ["weights"]}
    )
    with pytest.raises(InvalidInput, match="no calibration to build on"):
        known_calibration(params, {})
    assert (
        known_calibration(
            CapacityParams(model="Qwen/Qwen3-8B"), {"serving-fit": {"calibration": None}}
        )
        is None
    )
