"""The roofline against sums done by hand, and published sizes of models."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from netra.analysis.serving.known import GPUS, MODELS, known_gpu, known_model
from netra.analysis.serving.roofline import Efficiencies, Parallelism, Roofline
from netra.analysis.serving.specs import GpuSpec, ModelSpec
from netra.errors import InsufficientData, NotFound

GPU = GpuSpec(
    name="round",
    memory_bytes=10e9,
    memory_bytes_per_s=1e9,
    flops_per_s=1e12,
    link_bytes_per_s=1e6,
    link_latency_s=0.5,
    source="made up",
)
MODEL = ModelSpec(
    name="small",
    hidden=10,
    layers=2,
    heads=4,
    kv_heads=2,
    head_size=5,
    intermediate=20,
    vocabulary=100,
    source="made up",
)
IDEAL = Efficiencies(
    weights=1, products=1, experts=1, kv=1, attention=1, link=1, latency=1, step_s=0, sequence_s=0
)
# By hand: queries and output 2 x 10 x 20, keys and values 2 x 10 x 10, of two layers.
ATTENTION = 2 * (400 + 200)
MLP = 2 * 3 * 10 * 20
OUTPUT = 1_000


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("meta-llama/Llama-3.1-8B", 8.03),
        ("meta-llama/Llama-3.1-70B", 70.6),
        ("meta-llama/Llama-3.1-405B", 405.9),
        ("meta-llama/Llama-3.2-1B", 1.236),
        ("mistralai/Mixtral-8x7B-v0.1", 46.7),
        ("Qwen/Qwen3-32B", 32.8),
        ("Qwen/Qwen3-30B-A3B", 30.5),
        ("Qwen/Qwen2.5-7B", 7.62),
    ],
)
def test_models_have_their_published_sizes(name: str, billions: float) -> None:
    assert known_model(name).total_bytes / 2e9 == pytest.approx(billions, rel=0.003)


def test_bytes_of_a_token_in_the_kv_cache() -> None:
    # vLLM reports 2,588 blocks of 16 tokens in the 4090's cache; 2 x 32 layers x 8 x 128 x 2 B.
    assert known_model("meta-llama/Llama-3.1-8B").kv_bytes_per_token == 131_072


def test_what_is_not_known_is_refused_with_what_is() -> None:
    with pytest.raises(NotFound, match="no specification of the GPU 'tpu'") as caught:
        known_gpu("tpu")
    assert all(name in str(caught.value) for name in GPUS)
    with pytest.raises(NotFound, match="no specification of the model") as caught:
        known_model("openai/gpt-5")
    assert all(name in str(caught.value) for name in MODELS)


def test_a_fine_tuned_release_has_the_shape_of_its_base() -> None:
    for release, base in (
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "Qwen/Qwen3-30B-A3B"),
        ("meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mistralai/Mixtral-8x7B-v0.1"),
    ):
        assert known_model(release) is known_model(base)


def test_every_specification_names_its_source() -> None:
    assert all(spec.source for spec in (*GPUS.values(), *MODELS.values()))


def test_a_dense_step_by_hand() -> None:
    table = Roofline(model=MODEL, gpu=GPU, efficiencies=IDEAL).tabulate(
        max_tokens=8, max_sequences=4
    )
    read = 2 * (ATTENTION + MLP + OUTPUT) / 1e9
    multiplied = 2 * 3 * (ATTENTION + MLP) / 1e12
    assert table.tokens_s[3] == pytest.approx(np.hypot(read, multiplied), rel=1e-12)
    # Keys and values of two layers and two heads of five, of two bytes each.
    assert table.kv_s[2] == pytest.approx(2 * 2 * 2 * 5 * 2 / 1e9)
    assert table.pair_s == pytest.approx(4 * 2 * 4 * 5 / 1e12)
    assert table.sequences_s[2] == pytest.approx(2 * (2 * OUTPUT / 1e12 + 100 * 4 * 6 / 1e9))


def test_two_gpus_halve_the_work_and_add_two_sums_a_layer() -> None:
    def step(tensor: int) -> float:
        parallelism = Parallelism(tensor=tensor)
        roofline = Roofline(model=MODEL, gpu=GPU, parallelism=parallelism, efficiencies=IDEAL)
        return float(roofline.tabulate(max_tokens=8, max_sequences=4).tokens_s[3])

    # In a ring of two each sends as much as there is, here 3 x 10 x 2 bytes, four times in all.
    links = 4 * (60 / 1e6 + 0.5)
    assert step(2) == pytest.approx(step(1) / 2 + links, rel=1e-12)


def test_experts_are_read_as_far_as_tokens_reach_them() -> None:
    mixture = dataclasses.replace(MODEL, experts=4, experts_per_token=2)
    table = Roofline(model=mixture, gpu=GPU, efficiencies=IDEAL).tabulate(
        max_tokens=8, max_sequences=4
    )
    router = 2 * 10 * 4
    for tokens, touched in ((1, 2.0), (2, 3.0), (3, 3.5)):
        read = 2 * (ATTENTION + router + OUTPUT + touched * MLP) / 1e9
        multiplied = 2 * tokens * (ATTENTION + router + 2 * MLP) / 1e12
        assert table.tokens_s[tokens] == pytest.approx(np.hypot(read, multiplied), rel=1e-12)


def test_experts_lie_over_all_ranks_and_dense_layers_on_each() -> None:
    mixture = dataclasses.replace(MODEL, experts=4, experts_per_token=2)
    ranks = Parallelism(data=2)

    def room(model: ModelSpec, parallelism: Parallelism) -> int:
        return Roofline(model=model, gpu=GPU, parallelism=parallelism).kv_tokens()

    spared = 4 * MLP * 2 / 2 / MODEL.kv_bytes_per_token
    gained = room(mixture, ranks) - room(mixture, Parallelism())
    assert gained == pytest.approx(spared, abs=1)
    assert room(MODEL, ranks) == room(MODEL, Parallelism())
    # Two ranks with one token each touch what two tokens touch: half of it lies on each GPU.
    table = Roofline(model=mixture, gpu=GPU, parallelism=ranks, efficiencies=IDEAL).tabulate(
        max_tokens=2, max_sequences=2
    )
    router = 2 * 10 * 4
    read = 2 * (ATTENTION + router + OUTPUT + 3.0 * MLP / 2) / 1e9
    multiplied = 2 * (ATTENTION + router + 2 * MLP) / 1e12
    links = 2 * (2 * 10 * 2 / 1e6 + 2 * 0.5)
    assert table.tokens_s[1] == pytest.approx(np.hypot(read, multiplied) + links, rel=1e-12)


def test_a_kv_cache_of_what_the_weights_leave() -> None:
    roofline = Roofline(model=known_model("meta-llama/Llama-3.1-8B"), gpu=known_gpu("rtx4090"))
    # vLLM 0.19 reports 41,408 tokens there; what it keeps beside weights and cache is not public.
    assert roofline.kv_tokens(0.9) == pytest.approx(41_408, rel=0.2)
    large = dataclasses.replace(roofline, model=known_model("meta-llama/Llama-3.1-70B"))
    with pytest.raises(InsufficientData, match="does not fit") as caught:
        large.kv_tokens()
    assert caught.value.needs
