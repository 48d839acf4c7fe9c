"""Deployments as records of runs describe them."""

from __future__ import annotations

from typing import Any

import pytest

from netra.analysis.serving.deployment import deployment_of
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
    assert found.engine.kv_blocks == found.roofline.kv_tokens() // 16


def test_a_measured_link_replaces_the_published_one() -> None:
    found = deployment_of(record(), gpu="rtxpro6000", link_gbs=16)
    assert found.link_measured
    assert found.roofline.gpu.link_bytes_per_s == 16e9


def test_what_is_missing_or_not_known_is_named() -> None:
    with pytest.raises(InvalidInput, match="no engine_kwargs"):
        deployment_of({}, gpu="rtxpro6000")
    with pytest.raises(InvalidInput, match="no usable max_num_seqs"):
        deployment_of(record(max_num_seqs=None), gpu="rtxpro6000")
    with pytest.raises(InvalidInput, match="a link of 0 GB/s"):
        deployment_of(record(), gpu="rtxpro6000", link_gbs=0)
    with pytest.raises(NotFound, match="my/model"):
        deployment_of(record(model="my/model"), gpu="rtxpro6000")
