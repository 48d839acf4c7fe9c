"""Real vLLM runs: what is predicted of the part that was not fitted, and of other models."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from netra.analysis.serving.deployment import deployment_of
from netra.analysis.serving.fit_report import serving_fit
from netra.errors import InsufficientData, InvalidInput
from tests.shared_data import shared_data
from tests.unit.analysis.serving.runs import LINK_GBS, RUNS, load


def within(report: Mapping[str, Any], **limits: float) -> bool:
    return all(abs(report["relative_error"][name]) <= limit for name, limit in limits.items())


@pytest.mark.parametrize("run", RUNS)
def test_the_second_half_is_predicted_from_the_first(run: str) -> None:
    report = serving_fit(*load(run))
    assert within(report, tpot_mean=0.04, latency_mean=0.04, ttft_p90=0.12), report
    assert (report["fitted_requests"], report["scored_requests"]) == (150, 150)
    # Carrying the past mean forward is far worse, or the simulation would not be worth it.
    for name, error in report["carry_forward_error"].items():
        assert abs(error) > 3 * abs(report["relative_error"][name])
    json.dumps(report, allow_nan=False)


@pytest.mark.parametrize("run", RUNS)
def test_unfinished_requests_are_predicted_from_what_has_happened(run: str) -> None:
    report = serving_fit(*load(run), until_completion=75)
    assert within(report, tpot_mean=0.04, latency_mean=0.04, ttft_p90=0.08), report
    assert report["fitted_requests"] + report["scored_requests"] == 300


@pytest.mark.parametrize(
    ("source", "target", "limit"),
    [
        ("rtxpro6000-llama-3.1-8b", "rtxpro6000-qwen3-32b", 0.15),
        ("rtxpro6000-qwen3-32b", "rtxpro6000-llama-3.1-8b", 0.12),
    ],
)
def test_another_model_on_the_same_gpu_is_predicted(source: str, target: str, limit: float) -> None:
    report = serving_fit(*load(source, LINK_GBS), other=load(target, LINK_GBS))
    assert within(report, tpot_mean=limit, latency_mean=limit), report
    assert abs(report["ttft_p90_error_of_mean_latency"]) <= 0.15


def test_the_known_figures_of_a_run() -> None:
    log, deployment = load("rtx4090-llama-3.1-8b")
    assert deployment.engine.kv_tokens == 41_408
    measured = serving_fit(log, deployment)["measured"]
    late = slice(150, None)
    assert measured["tpot_mean"] == pytest.approx(
        np.mean((log.last_token_s - log.first_token_s)[late] / (log.output_tokens[late] - 1))
    )
    assert measured["latency_mean"] == pytest.approx(
        np.mean((log.last_token_s - log.queued_s)[late])
    )
    assert measured["ttft_p90"] == pytest.approx(
        np.percentile((log.first_token_s - log.queued_s)[late], 90)
    )


def test_ignoring_the_kv_cache_would_be_seen() -> None:
    log, deployment = load("rtx4090-llama-3.1-8b")
    roomy = dataclasses.replace(deployment.engine, kv_blocks=10**6)
    report = serving_fit(log, dataclasses.replace(deployment, engine=roomy))
    assert not within(report, tpot_mean=0.1, latency_mean=0.1)


def test_a_kv_cache_that_no_record_states_is_fitted_where_it_is_full() -> None:
    log, stated = load("rtx4090-llama-3.1-8b")
    meta = json.loads(shared_data("vllm-runs/rtx4090-llama-3.1-8b.meta.json").read_text())
    deployment = deployment_of({"engine_kwargs": meta["engine_kwargs"]}, gpu="rtx4090")
    assert not deployment.kv_stated
    report = serving_fit(log, deployment)
    assert within(report, tpot_mean=0.04, latency_mean=0.04, ttft_p90=0.12), report
    assert report["kv_room"] > 1.05
    assert report["kv_tokens"] == pytest.approx(stated.engine.kv_tokens, rel=0.1)
    assert serving_fit(*load("rtxpro6000-qwen3-32b"))["kv_room"] == 1.0


def test_what_was_served_fits_into_an_estimated_kv_cache() -> None:
    log, deployment = load("rtxpro6000-llama-3.1-8b")
    assert not deployment.kv_stated
    tight = dataclasses.replace(deployment.engine, kv_blocks=100)
    report = serving_fit(log, dataclasses.replace(deployment, engine=tight))
    longest = int((log.input_tokens + log.output_tokens - 1).max())
    assert report["kv_tokens"] >= longest
    sure = dataclasses.replace(deployment, engine=tight, kv_stated=True)
    with pytest.raises(InvalidInput, match="can never be served"):
        serving_fit(log, sure)


def test_what_cannot_be_scored_or_fitted_is_said() -> None:
    log, deployment = load("rtxpro6000-llama-3.1-8b")
    for split in (0.0, 1.0, math.nan):
        with pytest.raises(InvalidInput, match="leaves nothing"):
            serving_fit(log, deployment, split=split)
    unknown = dataclasses.replace(log, first_token_s=log.first_token_s.copy())
    unknown.first_token_s[150:] = np.nan
    blind = serving_fit(unknown, deployment)
    assert blind["scored_with_times"] == 0
    assert set(blind["relative_error"].values()) == {None}
    assert blind["ttft_p90_error_of_mean_latency"] is None
    assert blind["efficiencies"] == serving_fit(log, deployment)["efficiencies"]
    with pytest.raises(InsufficientData, match="finished requests with times"):
        serving_fit(log, deployment, split=0.1)
