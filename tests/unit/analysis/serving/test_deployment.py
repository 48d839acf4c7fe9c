"""Deployments as records of runs describe them."""

from __future__ import annotations

from typing import Any

import pytest

from netra.analysis.serving.deployment import Deployment, deployment_of
from netra.analysis.serving.roofline import Roofline
from netra.errors import InvalidInput, NotFound


def record(**kwargs: Any) -> dict[str, Any]:
    given = {
        "model": "Qwen/Qwen3-30B-A3B-Instruct-2507",
        "tensor_parallel_size": 1,
        "data_parallel_size": 2,
        "max_num_seqs": 128,
        "max_num_batched_tokens": 2048,
    }
    return {"engine_kwargs": given | kwargs}


def roofline_of(deployment: Deployment) -> Roofline:
    assert isinstance(deployment.steps, Roofline)
    return deployment.steps


def test_settings_are_read_from_the_record() -> None:
    found = deployment_of(
        record()
        | {
            "kv_cache": {"num_gpu_blocks": 77, "block_size": 32, "enable_prefix_caching": False},
            "resolved_config": {"scheduler_config": {"async_scheduling": False}},
        },
        gpu="rtxpro6000",
    )
    engine = found.engine
    assert (engine.max_num_seqs, engine.max_num_batched_tokens) == (128, 2048)
    assert (engine.kv_blocks, engine.block_tokens, engine.kv_tokens) == (77, 32, 77 * 32)
    assert (engine.ranks, engine.async_scheduling, engine.prefix_caching) == (2, False, False)
    assert found.has_links
    assert not found.link_measured


def test_a_kv_cache_that_the_record_does_not_state_follows_from_the_memory() -> None:
    found = deployment_of(record(), gpu="rtxpro6000")
    assert found.engine.kv_blocks == found.steps.kv_tokens() // 16


def test_a_measured_link_replaces_the_published_one() -> None:
    found = deployment_of(record(), gpu="rtxpro6000", link_gbs=16)
    assert found.link_measured
    assert roofline_of(found).gpu.link_bytes_per_s == 16e9


def test_what_is_missing_or_not_known_is_named() -> None:
    with pytest.raises(InvalidInput, match="no engine_kwargs"):
        deployment_of({}, gpu="rtxpro6000")
    with pytest.raises(InvalidInput, match="no usable max_num_seqs"):
        deployment_of(record(max_num_seqs=None), gpu="rtxpro6000")
    with pytest.raises(InvalidInput, match="a link of 0 GB/s"):
        deployment_of(record(), gpu="rtxpro6000", link_gbs=0)
    with pytest.raises(NotFound, match="my/model"):
        deployment_of(record(model="my/model"), gpu="rtxpro6000")


def test_what_the_engine_was_not_told_is_what_it_resolved() -> None:
    resolved = {
        "scheduler_config": {"max_num_seqs": 64, "max_num_batched_tokens": 4096},
        "cache_config": {"block_size": 32, "gpu_memory_utilization": 0.8, "cache_dtype": "fp8"},
        "model_config": {"dtype": "torch.bfloat16", "quantization": None},
        "speculative_config": None,
    }
    given = record(max_num_seqs=None, max_num_batched_tokens=2048)
    found = deployment_of(given | {"resolved_config": resolved}, gpu="rtxpro6000")
    assert (found.engine.max_num_seqs, found.engine.max_num_batched_tokens) == (64, 2048)
    assert found.engine.block_tokens == 32
    assert roofline_of(found).model.kv_number_bytes == 1.0
    assert found.engine.kv_blocks == found.steps.kv_tokens(0.8) // 32


def test_formats_of_weights_are_read_from_the_settings_or_the_name() -> None:
    for kwargs in (
        {"model": "Qwen/Qwen3-32B", "quantization": "fp8"},
        {"model": "Qwen/Qwen3-32B-FP8"},
        {"model": "Qwen/Qwen3-32B-FP8", "quantization": "fp8"},
    ):
        model = roofline_of(deployment_of(record(**kwargs), gpu="rtxpro6000")).model
        assert (model.weight_bytes, model.eight_bit_products) == (1.0, True)
    half = roofline_of(deployment_of(record(dtype="float16"), gpu="rtxpro6000")).model
    assert half.weight_bytes == 2.0
    with pytest.raises(InvalidInput, match="unknown format") as caught:
        deployment_of(record(quantization="gguf"), gpu="rtxpro6000")
    assert caught.value.errors[0].got == "gguf"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pipeline_parallel_size", 2),
        ("speculative_config", {"method": "eagle"}),
        ("enable_chunked_prefill", False),
        ("dtype", "float32"),
    ],
)
def test_what_the_simulation_does_not_follow_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        deployment_of(record(**{name: value}), gpu="rtxpro6000")
    assert caught.value.errors[0].where == name
