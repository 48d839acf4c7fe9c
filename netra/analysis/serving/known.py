"""The GPUs and models whose published specifications are known here; all others are refused.

Rates are of 16-bit tensor products summed in 32 bits, dense; memory is decimal gigabytes as sold,
but for what the driver reports of a card (its total), where a run's record gives it.
"""

from __future__ import annotations

from typing import Final

from netra.analysis.serving.specs import GpuSpec, ModelSpec
from netra.errors import NotFound, Problem

_GB = 1e9
_TERA = 1e12


def _gpu(
    name: str, memory_gb: float, gb_per_s: float, tflops: float, link_gb_per_s: float, source: str
) -> GpuSpec:
    """A GPU; links over PCIe pass through the host, those over NVLink do not.

    Makers publish no latency of a collective. 20 us over PCIe is what the cluster configurations
    of LLMServingSim 2.0 state (`link_latency`); 5 us over NVLink is an assumption. A calibration
    fits a multiple of either.
    """
    return GpuSpec(
        name=name,
        memory_bytes=memory_gb * _GB,
        memory_bytes_per_s=gb_per_s * _GB,
        flops_per_s=tflops * _TERA,
        link_bytes_per_s=link_gb_per_s * _GB,
        link_latency_s=5e-6 if link_gb_per_s >= 200 else 20e-6,
        source=source,
    )


_ADA = "NVIDIA Ada GPU Architecture whitepaper 2.01, appendix A"
_RTX_PRO = "NVIDIA RTX Blackwell PRO GPU Architecture whitepaper 1.0, appendix A"

GPUS: Final[dict[str, GpuSpec]] = {
    spec.name: spec
    for spec in (
        _gpu("rtx4090", 25.25, 1008, 165.2, 32, _ADA + "; PCIe 4.0 x16"),
        _gpu("rtxpro6000", 102.0, 1792, 503.8, 64, _RTX_PRO + "; PCIe 5.0 x16"),
        _gpu("l4", 24, 300, 121, 32, "NVIDIA L4 data sheet; PCIe 4.0 x16"),
        _gpu("l40s", 48, 864, 362, 32, "NVIDIA L40S data sheet; PCIe 4.0 x16"),
        _gpu("a100-80gb", 80, 2039, 312, 300, "NVIDIA A100 80GB SXM data sheet; NVLink 3"),
        _gpu("h100", 80, 3350, 989.4, 450, "NVIDIA H100 SXM data sheet; NVLink 4"),
        _gpu("h200", 141, 4800, 989.4, 450, "NVIDIA H200 SXM data sheet; NVLink 4"),
        _gpu("b200", 180, 8000, 2250, 900, "NVIDIA B200 (HGX) data sheet; NVLink 5"),
    )
}


def _model(
    name: str,
    hidden: int,
    layers: int,
    heads: tuple[int, int, int],
    intermediate: int,
    vocabulary: int,
    *,
    experts: tuple[int, int] = (1, 1),
    tied: bool = False,
) -> ModelSpec:
    """A model in 16 bits; `heads` are those of queries, those of keys, and the size of one."""
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
        tied=tied,
        source=f"config.json of {name} on Hugging Face",
    )


_LLAMA_3 = 128_256
_QWEN_3 = 151_936
_QWEN_2 = 152_064

MODELS: Final[dict[str, ModelSpec]] = {
    spec.name: spec
    for spec in (
        _model("meta-llama/Llama-3.2-1B", 2048, 16, (32, 8, 64), 8192, _LLAMA_3, tied=True),
        _model("meta-llama/Llama-3.2-3B", 3072, 28, (24, 8, 128), 8192, _LLAMA_3, tied=True),
        _model("meta-llama/Llama-3.1-8B", 4096, 32, (32, 8, 128), 14336, _LLAMA_3),
        _model("meta-llama/Llama-3.1-70B", 8192, 80, (64, 8, 128), 28672, _LLAMA_3),
        _model("meta-llama/Llama-3.3-70B", 8192, 80, (64, 8, 128), 28672, _LLAMA_3),
        _model("meta-llama/Llama-3.1-405B", 16384, 126, (128, 8, 128), 53248, _LLAMA_3),
        _model("mistralai/Mistral-7B-v0.3", 4096, 32, (32, 8, 128), 14336, 32768),
        _model("mistralai/Mixtral-8x7B-v0.1", 4096, 32, (32, 8, 128), 14336, 32000, experts=(8, 2)),
        _model("Qwen/Qwen2.5-7B", 3584, 28, (28, 4, 128), 18944, _QWEN_2),
        _model("Qwen/Qwen2.5-32B", 5120, 64, (40, 8, 128), 27648, _QWEN_2),
        _model("Qwen/Qwen2.5-72B", 8192, 80, (64, 8, 128), 29568, _QWEN_2),
        _model("Qwen/Qwen3-4B", 2560, 36, (32, 8, 128), 9728, _QWEN_3, tied=True),
        _model("Qwen/Qwen3-8B", 4096, 36, (32, 8, 128), 12288, _QWEN_3),
        _model("Qwen/Qwen3-14B", 5120, 40, (40, 8, 128), 17408, _QWEN_3),
        _model("Qwen/Qwen3-32B", 5120, 64, (64, 8, 128), 25600, _QWEN_3),
        _model("Qwen/Qwen3-30B-A3B", 2048, 48, (32, 4, 128), 768, _QWEN_3, experts=(128, 8)),
        _model("Qwen/Qwen3-235B-A22B", 4096, 94, (64, 4, 128), 1536, _QWEN_3, experts=(128, 8)),
    )
}

#: What fine-tuned releases append to the name of the model whose shape they share.
_RELEASES = ("-Instruct-2507", "-Thinking-2507", "-Instruct-v0.1", "-Instruct-v0.3", "-Instruct")


def known_gpu(name: str) -> GpuSpec:
    """The GPU of that name.

    Raises:
        NotFound: it is not known; the error names those that are.
    """
    if name in GPUS:
        return GPUS[name]
    expected = "one of " + ", ".join(sorted(GPUS))
    wrong = Problem(where="gpu", problem="is not a known GPU", got=name, expected=expected)
    raise NotFound(f"no specification of the GPU {name!r}", [wrong])


def known_model(name: str) -> ModelSpec:
    """The model of that name, or the one whose fine-tuned release it names.

    Raises:
        NotFound: it is not known; the error names those that are. Nothing is downloaded.
    """
    if name in MODELS:
        return MODELS[name]
    for release in _RELEASES:
        base = name.removesuffix(release)
        for candidate in (base, base + release[-5:]):
            if base != name and candidate in MODELS:
                return MODELS[candidate]
    expected = "one of " + ", ".join(sorted(MODELS))
    wrong = Problem(where="model", problem="is not a known model", got=name, expected=expected)
    raise NotFound(f"no specification of the model {name!r}", [wrong])
