"""The roofline against sums done by hand, and published sizes of models."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from netra.analysis.serving.known import known_gpu, known_model
from netra.analysis.serving.roofline import Efficiencies, Parallelism, Roofline
from netra.analysis.serving.specs import GpuSpec, ModelSpec
from netra.errors import InsufficientData

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


def test_layers_with_a_window_cost_a_sequence_its_windows_and_no_more() -> None:
    windowed = dataclasses.replace(MODEL, windowed_layers=1, window=7)
    table = Roofline(model=windowed, gpu=GPU, efficiencies=IDEAL).tabulate(
        max_tokens=8, max_sequences=4
    )
    whole = Roofline(model=MODEL, gpu=GPU, efficiencies=IDEAL).tabulate(
        max_tokens=8, max_sequences=4
    )
    one_layer = 2 * 2 * 5 * 2 / 1e9
    assert table.kv_s[2] == pytest.approx(one_layer)
    assert table.sequences_s[3] - whole.sequences_s[3] == pytest.approx(3 * 7 * one_layer)
    assert table.pair_s == pytest.approx(whole.pair_s / 2)


def test_eight_bit_weights_are_read_in_half_the_time_and_multiplied_in_half() -> None:
    eight_bit = dataclasses.replace(
        MODEL, weight_bytes=1.0, eight_bit_products=True, output_number_bytes=0.0
    )
    sixteen = dataclasses.replace(MODEL, output_number_bytes=0.0)

    def step(model: ModelSpec, rate: float) -> float:
        gpu = dataclasses.replace(GPU, eight_bit_rate=rate)
        roofline = Roofline(model=model, gpu=gpu, efficiencies=IDEAL)
        return float(roofline.tabulate(max_tokens=8, max_sequences=4).tokens_s[5])

    assert step(eight_bit, 2.0) == pytest.approx(step(sixteen, 2.0) / 2, rel=1e-12)
    read = (ATTENTION + MLP) / 1e9
    multiplied = 2 * 5 * (ATTENTION + MLP) / 1e12
    assert step(eight_bit, 1.0) == pytest.approx(np.hypot(read, multiplied), rel=1e-12)
