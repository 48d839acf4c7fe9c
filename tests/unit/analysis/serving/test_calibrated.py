"""Calibrations that are taken along."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from netra.analysis.serving.calibrated import (
    OTHER_MODEL,
    EngineCalibration,
    calibrated,
    calibration_of,
)
from netra.analysis.serving.fit_report import FittedRun, fit_run
from netra.analysis.serving.known import known_gpu, known_model
from netra.analysis.serving.roofline import Efficiencies, Parallelism, Roofline
from netra.analysis.serving.scaled import Factors
from netra.analysis.serving.step_source import ErrorBand
from netra.errors import InvalidInput
from tests.unit.analysis.serving.runs import LINK_GBS, PAIRS, load
from tests.unit.analysis.serving.test_calibration import TRUTH, made_log, one_gpu
from tests.unit.analysis.serving.test_scaled import Profile

ROOFLINE = Roofline(model=known_model("meta-llama/Llama-3.1-8B"), gpu=known_gpu("h100"))
LIMITS = {"max_tokens": 64, "max_sequences": 16}


@pytest.fixture(scope="module")
def fitted() -> FittedRun:
    return fit_run(made_log(one_gpu(), TRUTH), one_gpu())


def by_hand() -> EngineCalibration:
    return EngineCalibration(
        source="roofline",
        model=ROOFLINE.model.name,
        gpu="h100",
        tensor=1,
        data=1,
        adjustment=dataclasses.replace(TRUTH, link=0.1, latency=9.0),
        link_bytes_per_s=None,
        error=ErrorBand(tpot=0.01, ttft=0.2, basis="by hand", n=4),
    )


def test_it_comes_back_from_json_as_it_was(fitted: FittedRun) -> None:
    found = calibration_of(fitted)
    text = json.dumps(found.as_json(), allow_nan=False)
    assert EngineCalibration.from_json(json.loads(text)) == found
    factors = dataclasses.replace(found, adjustment=Factors(kv=1.5))
    assert EngineCalibration.from_json(factors.as_json()) == factors
    for broken in ({}, found.as_json() | {"efficiencies": {"kv": 1.0, "what": 2.0}}):
        with pytest.raises(InvalidInput, match="no calibration"):
            EngineCalibration.from_json(broken)


def test_its_step_times_are_those_that_were_fitted(fitted: FittedRun) -> None:
    steps = calibrated(ROOFLINE, calibration_of(fitted))
    efficiencies = fitted.calibration.adjustment
    assert isinstance(efficiencies, Efficiencies)
    expected = dataclasses.replace(ROOFLINE, efficiencies=efficiencies).tabulate(**LIMITS)
    assert np.array_equal(steps.tabulate(**LIMITS).tokens_s, expected.tokens_s)
    assert steps.kv_tokens() == ROOFLINE.kv_tokens()
    assert steps.origin.source == "roofline+calibration"
    assert steps.origin.error == calibration_of(fitted).error


def test_the_error_is_that_of_what_was_not_fitted(fitted: FittedRun) -> None:
    service, log = fitted.service, fitted.log
    logs = [
        np.log(log.tpot_s[part].mean() / service.tpot_s[part].mean())
        for part in np.array_split(np.arange(150, 300), 5)
    ]
    error = calibration_of(fitted).error
    assert error.tpot == pytest.approx(max(0.017, float(np.sqrt(np.mean(np.square(logs))))))
    assert error.n == 5
    twice = dataclasses.replace(log, last_token_s=log.last_token_s + log.tpot_s * 500)
    worse = calibration_of(dataclasses.replace(fitted, log=twice)).error
    assert worse.tpot > 10 * error.tpot


def test_the_error_stays_that_of_the_fitted_log_when_another_run_is_predicted() -> None:
    source, target = PAIRS[0]
    alone = calibration_of(fit_run(*load(source, LINK_GBS)))
    both = fit_run(*load(source, LINK_GBS), other=load(target, LINK_GBS))
    assert calibration_of(both) == alone
    assert both.deployment.steps.origin.model == "Qwen/Qwen3-32B"
    assert "150 requests of this log" in alone.error.basis


def test_where_nothing_was_scored_the_error_is_that_of_other_runs(fitted: FittedRun) -> None:
    blind = dataclasses.replace(fitted, known=np.zeros(300, np.bool_))
    error = calibration_of(blind).error
    assert (error.tpot, error.ttft) == (OTHER_MODEL.tpot, OTHER_MODEL.ttft)
    assert error.basis.startswith("nothing of this log was left to score")


def test_another_model_on_that_gpu_gets_what_transfers_and_a_wider_band() -> None:
    other = Roofline(
        model=known_model("Qwen/Qwen3-32B"),
        gpu=known_gpu("h100"),
        parallelism=Parallelism(tensor=2),
    )
    steps = calibrated(other, by_hand())
    # One GPU says nothing of links: their defaults hold.
    expected = dataclasses.replace(other, efficiencies=TRUTH).tabulate(**LIMITS)
    assert np.array_equal(steps.tabulate(**LIMITS).tokens_s, expected.tokens_s)
    assert (steps.origin.error.tpot, steps.origin.error.ttft) == (OTHER_MODEL.tpot, 0.2)
    stated = dataclasses.replace(by_hand(), link_bytes_per_s=7e9)
    gpu = dataclasses.replace(other.gpu, link_bytes_per_s=7e9)
    expected = dataclasses.replace(
        other, gpu=gpu, efficiencies=dataclasses.replace(TRUTH, link=0.1, latency=9.0)
    ).tabulate(**LIMITS)
    found = calibrated(other, stated).tabulate(**LIMITS)
    assert np.array_equal(found.tokens_s, expected.tokens_s)


def test_no_transfer_between_gpus_or_sources_is_claimed() -> None:
    elsewhere = dataclasses.replace(ROOFLINE, gpu=known_gpu("rtx4090"))
    with pytest.raises(InvalidInput) as caught:
        calibrated(elsewhere, by_hand())
    assert [(p.where, p.got, p.expected) for p in caught.value.errors] == [
        ("gpu", "rtx4090", "h100")
    ]
    with pytest.raises(InvalidInput, match="does not fit these step times"):
        calibrated(Profile(), by_hand())
    factors = dataclasses.replace(by_hand(), source="profile", adjustment=Factors(tokens=2.0))
    table = calibrated(Profile(), factors).tabulate(**LIMITS)
    plain = Profile().tabulate(**LIMITS)
    assert np.allclose(table.tokens_s, 1e-3 + 2 * plain.tokens_s)
