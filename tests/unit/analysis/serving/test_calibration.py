"""Calibration finds the truth that made a log, and sees nothing but what it may."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from netra.analysis.serving.calibration import (
    PRIOR,
    Calibration,
    Prior,
    calibrate,
    observed_first,
    observed_until_completion,
    predict,
    transferred,
)
from netra.analysis.serving.deployment import Adjustment, Deployment
from netra.analysis.serving.known import known_gpu, known_model
from netra.analysis.serving.roofline import Efficiencies, Parallelism, Roofline
from netra.analysis.serving.run_log import RunLog, read_run_log
from netra.analysis.serving.settings import EngineSettings
from netra.errors import InsufficientData
from tests.unit.analysis.serving.runs import RUNS, deployed, rows_of

TRUTH = Efficiencies(weights=0.75, products=0.55, kv=0.9, step_s=3e-3)


def one_gpu() -> Deployment:
    roofline = Roofline(model=known_model("meta-llama/Llama-3.1-8B"), gpu=known_gpu("h100"))
    engine = EngineSettings(max_num_seqs=64, max_num_batched_tokens=2048, kv_blocks=8_000)
    return Deployment(steps=roofline, engine=engine)


def made_log(deployment: Deployment, truth: Adjustment, n: int = 300) -> RunLog:
    """What the engine would log if the truth were so, and its clock began elsewhere."""
    rng = np.random.default_rng(1)
    bare = RunLog(
        arrival_s=1.7e9 + np.cumsum(rng.exponential(0.1, n)),
        input_tokens=rng.integers(10, 3_000, n),
        output_tokens=rng.integers(50, 800, n),
        queued_s=np.full(n, np.nan),
        scheduled_s=np.full(n, np.nan),
        first_token_s=np.full(n, np.nan),
        last_token_s=np.full(n, np.nan),
    )
    service = predict(bare, deployment, truth)
    return dataclasses.replace(
        bare,
        queued_s=500.0 + service.received_s,
        scheduled_s=500.0 + service.scheduled_s,
        first_token_s=500.0 + service.first_token_s,
        last_token_s=500.0 + service.finish_s,
    )


def test_the_truth_that_made_a_log_is_found() -> None:
    deployment = one_gpu()
    log = made_log(deployment, TRUTH)
    found = calibrate(log, deployment, observed_first(log, 150))
    service = predict(log, deployment, found.adjustment)
    late = slice(150, None)
    # The prior pulls, but by less than a fifth of what it was wrong by.
    uncalibrated = predict(log, deployment, Efficiencies())
    truth, after, before = (
        float(np.mean(tpot_s[late])) for tpot_s in (log.tpot_s, service.tpot_s, uncalibrated.tpot_s)
    )
    assert abs(after - truth) < 0.02 * truth
    assert abs(after - truth) < 0.2 * abs(before - truth)
    # Single rates share what the data leave open; what they make up together is found.
    for tokens, sequences, kv_tokens in ((8, 8, 9_000), (64, 64, 90_000), (2_048, 40, 60_000)):
        step = {"tokens": tokens, "sequences": sequences, "kv_tokens": kv_tokens, "pairs": 0.0}
        true_s = deployment.table(TRUTH).step_s(**step)
        found_s = deployment.table(found.adjustment).step_s(**step)
        assert found_s == pytest.approx(true_s, rel=0.15)
    assert set(found.deviations) == {
        "weights", "products", "kv", "attention", "step_s", "sequence_s",
    }  # fmt: skip


def test_experts_over_two_ranks_in_lockstep_are_fitted_too() -> None:
    roofline = Roofline(
        model=known_model("Qwen/Qwen3-30B-A3B-Instruct-2507"),
        gpu=known_gpu("rtxpro6000"),
        parallelism=Parallelism(data=2),
    )
    engine = EngineSettings(max_num_seqs=64, max_num_batched_tokens=2048, kv_blocks=20_000, ranks=2)
    deployment = Deployment(steps=roofline, engine=engine)
    truth = Efficiencies(experts=0.35, weights=0.75, link=0.3, latency=3.0, step_s=2e-3)
    log = made_log(deployment, truth)
    found = calibrate(log, deployment, observed_first(log, 150))
    assert set(found.deviations) == {field.name for field in dataclasses.fields(Efficiencies)}
    service = predict(log, deployment, found.adjustment)
    late = slice(150, None)
    tpot, latency = (
        float(np.mean(predicted[late]) / np.mean(true[late]) - 1.0)
        for predicted, true in (
            (service.tpot_s, log.tpot_s),
            (service.finish_s - service.received_s, log.latency_s),
        )
    )
    assert abs(tpot) < 0.02
    assert abs(latency) < 0.02


def test_a_prior_that_is_sure_moves_less() -> None:
    deployment = one_gpu()
    log = made_log(deployment, TRUTH)
    observed = observed_first(log, 150)
    sure = Prior(efficiencies=dict.fromkeys(PRIOR.efficiencies, 1e-3), factors=PRIOR.factors)
    still, moved = (
        calibrate(log, deployment, observed, prior).adjustment for prior in (sure, PRIOR)
    )
    assert isinstance(still, Efficiencies)
    assert isinstance(moved, Efficiencies)
    assert still.weights == pytest.approx(Efficiencies().weights, rel=0.01)
    assert abs(moved.weights - still.weights) > 0.02


def parameters(run: str, *, spoil: bool, until: int | None = None) -> Calibration:
    rows = sorted(rows_of(run), key=lambda row: row["arrival_time"])
    rng = np.random.default_rng(7)
    if spoil and until is None:
        for row in rows[150:]:
            for name in ("queued_ts", "scheduled_ts", "first_token_ts", "last_token_ts"):
                row[name] = float(rng.uniform(-1e6, 1e6))
    if spoil and until is not None:
        end = sorted(row["last_token_ts"] for row in rows)[until - 1]
        for row in rows:
            for name in ("queued_ts", "scheduled_ts", "first_token_ts", "last_token_ts"):
                if row[name] > end:
                    row[name] = end + float(rng.uniform(1, 1e6))
    log = read_run_log(rows)
    observed = observed_first(log, 150)
    if until is not None:
        observed = observed_until_completion(log, until)
    return calibrate(log, deployed(run), observed)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("until", [None, 75])
def test_corrupting_what_is_not_fitted_changes_no_parameter(run: str, until: int | None) -> None:
    clean = parameters(run, spoil=False, until=until)
    spoiled = parameters(run, spoil=True, until=until)
    assert clean.adjustment == spoiled.adjustment
    assert clean.deviations == spoiled.deviations


def test_corrupting_what_is_fitted_does() -> None:
    # The test above would pass if nothing were read at all.
    rows = rows_of("rtxpro6000-llama-3.1-8b")
    clean = parameters("rtxpro6000-llama-3.1-8b", spoil=False)
    for row in rows:
        row["last_token_ts"] += 5.0
    log = read_run_log(rows)
    slower = calibrate(log, deployed("rtxpro6000-llama-3.1-8b"), observed_first(log, 150))
    assert slower.adjustment != clean.adjustment


def test_too_few_finished_requests_are_not_fitted() -> None:
    deployment = one_gpu()
    log = made_log(deployment, TRUTH, n=40)
    with pytest.raises(InsufficientData, match="40 finished requests") as caught:
        calibrate(log, deployment, observed_first(log, 40))
    assert "at least 50 finished requests" in caught.value.needs[0]
    with pytest.raises(InsufficientData, match="40 requests have finished, not 75"):
        observed_until_completion(log, 75)


def test_what_a_run_without_links_cannot_say_is_not_transferred() -> None:
    source = one_gpu()
    assert isinstance(source.steps, Roofline)
    pair = dataclasses.replace(source.steps, parallelism=Parallelism(tensor=2))
    target = dataclasses.replace(source, steps=pair)
    with pytest.raises(InsufficientData, match="says nothing of the links"):
        transferred(TRUTH, source=source, target=target)
    measured = dataclasses.replace(target, link_measured=True)
    taken = transferred(dataclasses.replace(TRUTH, latency=9.0), source=source, target=measured)
    assert taken == dataclasses.replace(TRUTH, link=1.0)
    linked = dataclasses.replace(TRUTH, link=0.3, latency=2.0)
    assert transferred(linked, source=target, target=target) == linked
