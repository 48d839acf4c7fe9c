"""Known GPUs and models: published sizes, names as people write them, and what is refused."""

from __future__ import annotations

import pytest

from netra.analysis.serving.known import GPUS, MODELS, known_gpu, known_model
from netra.analysis.serving.specs import ModelSpec
from netra.errors import NotFound

#: Billions of parameters as each model's page states them.
PUBLISHED = {
    "meta-llama/Llama-3.2-1B": 1.24,
    "meta-llama/Llama-3.2-3B": 3.21,
    "meta-llama/Llama-3-8B": 8.03,
    "meta-llama/Llama-3-70B": 70.6,
    "meta-llama/Llama-3.1-8B": 8.03,
    "meta-llama/Llama-3.1-70B": 70.6,
    "meta-llama/Llama-3.3-70B": 70.6,
    "meta-llama/Llama-3.1-405B": 406,
    "mistralai/Mistral-7B-v0.3": 7.25,
    "mistralai/Mistral-Nemo-2407": 12.2,
    "mistralai/Mistral-Small-2409": 22.2,
    "mistralai/Mistral-Large-2407": 123,
    "mistralai/Mixtral-8x7B-v0.1": 46.7,
    "mistralai/Mixtral-8x22B-v0.1": 141,
    "Qwen/Qwen2.5-1.5B": 1.54,
    "Qwen/Qwen2.5-3B": 3.09,
    "Qwen/Qwen2.5-7B": 7.61,
    "Qwen/Qwen2.5-14B": 14.7,
    "Qwen/Qwen2.5-32B": 32.5,
    "Qwen/Qwen2.5-72B": 72.7,
    "Qwen/Qwen3-0.6B": 0.6,
    "Qwen/Qwen3-1.7B": 1.7,
    "Qwen/Qwen3-4B": 4.0,
    "Qwen/Qwen3-8B": 8.2,
    "Qwen/Qwen3-14B": 14.8,
    "Qwen/Qwen3-32B": 32.8,
    "Qwen/Qwen3-30B-A3B": 30.5,
    "Qwen/Qwen3-235B-A22B": 235,
    "Qwen/Qwen3-Coder-480B-A35B": 480,
    "microsoft/phi-4": 14.7,
    "microsoft/Phi-4-mini": 3.84,
    "microsoft/Phi-3.5-mini": 3.82,
    "google/gemma-2-2b": 2.61,
    "google/gemma-2-9b": 9.24,
    "google/gemma-2-27b": 27.2,
    "google/gemma-3-1b": 1.0,
    "openai/gpt-oss-20b": 20.9,
    "openai/gpt-oss-120b": 117,
    "deepseek-ai/DeepSeek-V3": 671,
    "deepseek-ai/DeepSeek-R1": 671,
    "moonshotai/Kimi-K2": 1026,
    "MiniMaxAI/MiniMax-M2.5": 229,
}


def numbers(model: ModelSpec) -> float:
    ends = (1 if model.tied else 2) * model.output_weights
    layers = model.attention_weights + model.shared_weights
    return ends + layers + model.experts * model.expert_weights


def test_models_have_their_published_sizes() -> None:
    assert set(PUBLISHED) == set(MODELS)
    for name, billions in PUBLISHED.items():
        assert numbers(MODELS[name]) / 1e9 == pytest.approx(billions, rel=0.014), name


@pytest.mark.parametrize(
    ("name", "billions"),
    [("Qwen/Qwen3-30B-A3B", 3.3), ("Qwen/Qwen3-235B-A22B", 22), ("deepseek-ai/DeepSeek-V3", 37)],
)
def test_a_token_meets_as_many_numbers_as_published(name: str, billions: float) -> None:
    model = MODELS[name]
    met = numbers(model) - (model.experts - model.experts_per_token) * model.expert_weights
    assert met / 1e9 == pytest.approx(billions, rel=0.03)


def test_bytes_of_a_token_in_the_kv_cache() -> None:
    # vLLM reports 2,588 blocks of 16 tokens in the 4090's cache; 2 x 32 layers x 8 x 128 x 2 B.
    assert known_model("meta-llama/Llama-3.1-8B").kv_bytes_per_token == 131_072
    # DeepSeek-V3's report: 576 numbers a token and layer.
    assert known_model("deepseek-ai/DeepSeek-V3").kv_bytes_per_token == 61 * 576 * 2


def test_what_is_not_known_is_refused_with_what_is() -> None:
    with pytest.raises(NotFound, match="no specification of the GPU 'tpu'") as caught:
        known_gpu("tpu")
    assert all(name in str(caught.value) for name in GPUS)
    for name in ("openai/gpt-5", "", "Qwen/", "mistralai/Mistral-7B-v0.1", "Llama-3.1-80B"):
        with pytest.raises(NotFound, match="no specification of the model") as caught:
            known_model(name)
        assert all(name in str(caught.value) for name in MODELS)


@pytest.mark.parametrize(
    ("release", "base"),
    [
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "Qwen/Qwen3-30B-A3B"),
        ("Qwen/Qwen3-30B-A3B-Thinking-2507", "Qwen/Qwen3-30B-A3B"),
        ("meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mistralai/Mixtral-8x7B-v0.1"),
        ("mistralai/Mistral-Nemo-Instruct-2407", "mistralai/Mistral-Nemo-2407"),
        ("google/gemma-2-9b-it", "google/gemma-2-9b"),
        ("microsoft/Phi-3.5-mini-instruct", "microsoft/Phi-3.5-mini"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-ai/DeepSeek-R1"),
        ("unsloth/qwen3-32b", "Qwen/Qwen3-32B"),
        ("QWEN3-32B", "Qwen/Qwen3-32B"),
    ],
)
def test_a_fine_tuned_release_has_the_shape_of_its_base(release: str, base: str) -> None:
    assert known_model(release) is known_model(base)


@pytest.mark.parametrize(
    ("release", "size", "products"),
    [
        ("Qwen/Qwen3-32B-FP8", 1.0, True),
        ("nvidia/Llama-3.1-70B-Instruct-FP8", 1.0, True),
        ("Qwen/Qwen2.5-72B-Instruct-AWQ", 0.53, False),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", 0.53, False),
        ("nvidia/Qwen3-32B-NVFP4", 0.5625, True),
    ],
)
def test_a_quantized_release_has_smaller_weights(release: str, size: float, products: bool) -> None:
    found = known_model(release)
    assert (found.weight_bytes, found.eight_bit_products) == (size, products)
    assert found.output_number_bytes == 2.0


def test_gpus_are_found_under_the_names_of_drivers_and_clouds() -> None:
    for name, known in (
        ("NVIDIA GeForce RTX 4090", "rtx4090"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "rtxpro6000"),
        ("RTX-4090", "rtx4090"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("H100-SXM", "h100"),
        ("NVIDIA A100-SXM4-80GB", "a100-80gb"),
        ("MI300X", "mi300x"),
    ):
        assert known_gpu(name) is GPUS[known]


def test_every_specification_names_its_source() -> None:
    assert all(spec.source for spec in (*GPUS.values(), *MODELS.values()))
