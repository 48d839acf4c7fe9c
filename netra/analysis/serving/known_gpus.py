"""The GPUs whose published specifications are known here; all others are refused.

Rates are of dense 16-bit tensor products summed in 32 bits. Memory is what the driver reports,
where a source says it; binary gigabytes as sold otherwise. Links are of one direction.

Each entry names the maker's publication. Read for it were, in November 2026: `systems/*.yaml` of
NVIDIA's aiconfigurator-core 0.12.0 ("aic"), and the table of peak rates in karpathy/nanochat
`nanochat/common.py` ("nanochat") for products; both state the maker's figures. Where the two
disagree, the entry says so.
"""

from __future__ import annotations

from typing import Final

from netra.analysis.serving.specs import GpuSpec
from netra.errors import NotFound, Problem

_GB = 1e9
_GIB = 2.0**30
_TERA = 1e12


def _gpu(
    name: str,
    memory_bytes: float,
    gb_per_s: float,
    tflops: float,
    link_gb_per_s: float,
    source: str,
    *,
    eight_bit: bool = True,
) -> GpuSpec:
    """A GPU; links over PCIe pass through the host, those over NVLink do not.

    Makers publish no latency of a collective. 20 us over PCIe is what the cluster configurations
    of LLMServingSim 2.0 state (`link_latency`); aic has 10 us from GPU to GPU (`p2p_latency`)
    for all of them, and so has Calculon (Isaev et al., SC '23) for NVLink. 5 us over NVLink is an
    assumption of ours: a sum of small messages crosses in one hop. A calibration fits a multiple.
    """
    return GpuSpec(
        name=name,
        memory_bytes=memory_bytes,
        memory_bytes_per_s=gb_per_s * _GB,
        flops_per_s=tflops * _TERA,
        link_bytes_per_s=link_gb_per_s * _GB,
        link_latency_s=5e-6 if link_gb_per_s >= 200 else 20e-6,
        eight_bit_rate=2.0 if eight_bit else 1.0,
        source=source,
    )


_ADA = "NVIDIA Ada GPU Architecture whitepaper 2.01, appendix A"
_BLACKWELL = "NVIDIA RTX Blackwell GPU Architecture whitepaper, appendix A"
_RTX_PRO = "NVIDIA RTX Blackwell PRO GPU Architecture whitepaper 1.0, appendix A"

GPUS: Final[dict[str, GpuSpec]] = {
    spec.name: spec
    for spec in (
        # The driver's total, as a run's record has it.
        _gpu("rtx4090", 25_250_627_584, 1008, 165.2, 32, f"{_ADA}; nanochat; PCIe 4.0 x16"),
        # aic has 419 TFLOPS: summed in 16 bits. In 32 bits GeForce cards do half of that.
        _gpu("rtx5090", 34_190_917_632, 1792, 209.5, 64, f"{_BLACKWELL}; nanochat, aic (memory)"),
        # Workstation edition. aic has 467.8 TFLOPS for the server edition.
        _gpu("rtxpro6000", 102_641_958_912, 1792, 503.8, 64, f"{_RTX_PRO}; aic (memory, link)"),
        _gpu("l4", 24 * _GIB, 300, 121, 32, "NVIDIA L4 data sheet; aic, nanochat"),
        _gpu("l40s", 48_305_799_168, 864, 362.05, 32, "NVIDIA L40S data sheet; aic, nanochat"),
        _gpu("a30", 24 * _GIB, 933, 165, 32, "NVIDIA A30 data sheet; aic", eight_bit=False),
        _gpu(
            *("a100-40gb", 40 * _GIB, 1555, 312, 300),
            "NVIDIA A100 40GB SXM data sheet; Ampere architecture whitepaper",
            eight_bit=False,
        ),
        _gpu(
            *("a100-80gb", 80 * _GIB, 2039, 312, 300),
            "NVIDIA A100 80GB SXM data sheet; aic, nanochat",
            eight_bit=False,
        ),
        _gpu(
            *("a100-pcie", 80 * _GIB, 1935, 312, 32),
            "NVIDIA A100 80GB PCIe data sheet; aic",
            eight_bit=False,
        ),
        _gpu("h100", 80 * _GIB, 3350, 989, 450, "NVIDIA H100 SXM data sheet; aic, nanochat"),
        _gpu("h100-pcie", 80 * _GIB, 2000, 756.5, 64, "NVIDIA H100 PCIe data sheet; aic"),
        _gpu("h200", 141 * _GIB, 4800, 989, 450, "NVIDIA H200 SXM data sheet; aic, nanochat"),
        _gpu("b200", 180 * _GIB, 7700, 2250, 900, "NVIDIA HGX B200 data sheet; aic, nanochat"),
        _gpu("b300", 288_400_343_040, 7750, 2250, 900, "NVIDIA HGX B300 data sheet; aic"),
        # Seven links of 64 GB/s in one direction to the seven others of a host.
        _gpu("mi300x", 192 * _GB, 5300, 1307.4, 448, "AMD MI300X data sheet; nanochat"),
    )
}

#: Other names of the same cards, as catalogs, clouds and drivers write them.
_ALIASES: Final = {
    "4090": "rtx4090",
    "5090": "rtx5090",
    "pro6000": "rtxpro6000",
    "rtxpro6000blackwell": "rtxpro6000",
    "rtxpro6000blackwellworkstationedition": "rtxpro6000",
    "a100": "a100-80gb",
    "a100sxm": "a100-80gb",
    "a100sxm480gb": "a100-80gb",
    "a10080gbpcie": "a100-pcie",
    "a100pcie80gb": "a100-pcie",
    "a100sxm440gb": "a100-40gb",
    "h100sxm": "h100",
    "h10080gbhbm3": "h100",
    "h10080gb": "h100",
    "h200sxm": "h200",
    "b200sxm": "b200",
    "b300sxm": "b300",
    "instinctmi300x": "mi300x",
}

_PLAIN: Final = {name.replace("-", ""): name for name in GPUS}


def known_gpu(name: str) -> GpuSpec:
    """The GPU of that name; makers, capitals and punctuation do not matter.

    Raises:
        NotFound: it is not known; the error names those that are.
    """
    plain = "".join(c for c in name.lower() if c.isalnum())
    for maker in ("nvidia", "geforce", "amd", "tesla"):
        plain = plain.removeprefix(maker)
    found = _ALIASES.get(plain) or _PLAIN.get(plain)
    if found is not None:
        return GPUS[found]
    expected = "one of " + ", ".join(sorted(GPUS))
    wrong = Problem(where="gpu", problem="is not a known GPU", got=name, expected=expected)
    raise NotFound(f"no specification of the GPU {name!r}", [wrong])
