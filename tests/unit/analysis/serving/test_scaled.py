"""Step times of somebody else, adjusted part by part."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from netra.analysis.serving.calibration import calibrate, observed_first, predict
from netra.analysis.serving.deployment import Deployment
from netra.analysis.serving.known import known_gpu, known_model
from netra.analysis.serving.roofline import Efficiencies, Roofline
from netra.analysis.serving.scaled import Factors, Scaled
from netra.analysis.serving.settings import EngineSettings
from netra.analysis.serving.step_source import StepOrigin
from netra.analysis.serving.step_time import StepTable
from tests.unit.analysis.serving.test_calibration import made_log, one_gpu

TRUTH = Factors(tokens=1.3, sequences=1.0, kv=0.8, pairs=1.0, step_s=3e-3)


class Profile:
    """Step times that are no roofline's, as far as anybody can see."""

    def __init__(self) -> None:
        self._steps = Roofline(model=known_model("Qwen/Qwen3-8B"), gpu=known_gpu("h100"))

    @property
    def origin(self) -> StepOrigin:
        return dataclasses.replace(self._steps.origin, source="profile")

    def tabulate(self, *, max_tokens: int, max_sequences: int) -> StepTable:
        return self._steps.tabulate(max_tokens=max_tokens, max_sequences=max_sequences)

    def kv_tokens(self, memory_share: float = 0.9) -> int:
        return self._steps.kv_tokens(memory_share)


def profiled() -> Deployment:
    engine = EngineSettings(max_num_seqs=64, max_num_batched_tokens=2048, kv_blocks=8_000)
    return Deployment(steps=Profile(), engine=engine)


def test_each_part_has_its_factor() -> None:
    plain = Profile().tabulate(max_tokens=8, max_sequences=4)
    factors = Factors(tokens=2, sequences=3, kv=5, pairs=7, step_s=0.25, sequence_s=0.5)
    table = Scaled(steps=Profile(), factors=factors).tabulate(max_tokens=8, max_sequences=4)
    assert np.allclose(table.tokens_s, 0.25 + 2 * plain.tokens_s, rtol=1e-15)
    assert np.allclose(table.sequences_s, 0.5 * np.arange(5) + 3 * plain.sequences_s, rtol=1e-15)
    assert np.allclose(table.kv_s, 5 * plain.kv_s, rtol=1e-15)
    assert table.pair_s == 7 * plain.pair_s
    assert Scaled(steps=Profile()).kv_tokens(0.8) == Profile().kv_tokens(0.8)


def test_factors_that_made_a_log_are_found_as_far_as_it_tells_them() -> None:
    deployment = profiled()
    log = made_log(deployment, TRUTH)
    found = calibrate(log, deployment, observed_first(log, 150))
    assert isinstance(found.adjustment, Factors)
    assert set(found.deviations) == {
        "tokens", "sequences", "kv", "pairs", "step_s", "sequence_s",
    }  # fmt: skip
    late = slice(150, None)
    truth, after, before = (
        float(np.mean(tpot_s[late]))
        for tpot_s in (
            log.tpot_s,
            predict(log, deployment, found.adjustment).tpot_s,
            predict(log, deployment, Factors()).tpot_s,
        )
    )
    assert abs(after - truth) < 0.02 * truth
    assert abs(after - truth) < 0.2 * abs(before - truth)


def test_a_roofline_has_efficiencies_and_others_do_not() -> None:
    with pytest.raises(TypeError, match="profile has no efficiencies"):
        profiled().table(Efficiencies())
    assert isinstance(one_gpu().adjusted(Factors()), Scaled)
