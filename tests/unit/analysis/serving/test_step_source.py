"""What every source of step times says of itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from netra.analysis.serving.calibration import predict
from netra.analysis.serving.known import known_gpu, known_model
from netra.analysis.serving.roofline import UNCALIBRATED, Efficiencies, Parallelism, Roofline
from netra.analysis.serving.step_source import ErrorBand, StepTimes
from tests.unit.analysis.serving.runs import RUNS, load


def test_a_roofline_is_a_source_of_step_times() -> None:
    source: StepTimes = Roofline(
        model=known_model("Qwen/Qwen3-30B-A3B"),
        gpu=known_gpu("h100"),
        parallelism=Parallelism(tensor=2, data=4),
    )
    origin = source.origin
    assert (origin.source, origin.model, origin.gpu) == ("roofline", "Qwen/Qwen3-30B-A3B", "h100")
    assert (origin.tensor, origin.data, origin.gpus) == (2, 4, 8)
    assert source.tabulate(max_tokens=8, max_sequences=2).tokens_s.shape == (9,)
    assert source.kv_tokens() > 0


@pytest.mark.parametrize("wrong", [{"tpot": -0.1}, {"ttft": math.nan}, {"n": 0}])
def test_a_band_rests_on_something(wrong: dict[str, float]) -> None:
    fields = {"tpot": 0.1, "ttft": 0.2, "n": 3, "basis": "three runs"} | wrong
    with pytest.raises(ValueError, match="no error band"):
        ErrorBand(**fields)  # type: ignore[arg-type]


def test_the_band_of_the_roofline_is_what_three_runs_deviate() -> None:
    tpot, ttft = [], []
    for run in RUNS:
        log, deployment = load(run)
        service = predict(log, deployment, Efficiencies())
        tpot.append(math.log(np.nanmean(log.tpot_s) / np.nanmean(service.tpot_s)))
        predicted = np.median(service.first_token_s - service.received_s)
        ttft.append(math.log(np.median(log.ttft_s) / predicted))
    assert math.sqrt(np.mean(np.square(tpot))) == pytest.approx(UNCALIBRATED.tpot, abs=0.01)
    assert math.sqrt(np.mean(np.square(ttft))) == pytest.approx(UNCALIBRATED.ttft, abs=0.01)
