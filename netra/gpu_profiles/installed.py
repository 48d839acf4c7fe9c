"""What the installed package knows: models, GPUs, engines; everything else is refused here."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
from pathlib import Path
from typing import Any, Final

from netra.errors import InsufficientData, NotFound, Problem

DISTRIBUTION: Final = "aiconfigurator-core"
_PACKAGE: Final = "aiconfigurator_core"

#: The package's names of our GPUs, of those for which kernels were measured.
SYSTEMS: Final[dict[str, str]] = {
    "a100-80gb": "a100_sxm",
    "b200": "b200_sxm",
    "b300": "b300_sxm",
    "h100": "h100_sxm",
    "h200": "h200_sxm",
    "l40s": "l40s",
    "rtxpro6000": "rtx_pro_6000_server",
}
ENGINES: Final = ("vllm", "sglang", "trtllm")

#: Names whose shape ships under another name.
_SAME_SHAPE: Final[dict[str, str]] = {
    "meta-llama/Llama-3.1-8B": "meta-llama/Meta-Llama-3.1-8B",
    "meta-llama/Llama-3.1-70B": "meta-llama/Meta-Llama-3.1-70B",
    "meta-llama/Llama-3.3-70B": "meta-llama/Meta-Llama-3.1-70B",
    "meta-llama/Llama-3.1-405B": "meta-llama/Meta-Llama-3.1-405B",
    "nvidia/Llama-3.1-8B-Instruct-FP8": "meta-llama/Meta-Llama-3.1-8B",
    "nvidia/DeepSeek-R1-NVFP4": "deepseek-ai/DeepSeek-R1",
    "nvidia/Qwen3-32B-NVFP4": "Qwen/Qwen3-32B",
    "zhipuai/GLM-5": "zai-org/GLM-5",
}


def version() -> str:
    """The installed version.

    Raises:
        InsufficientData: the extra is not installed.
    """
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        raise InsufficientData(
            "step times from measured kernels need a package that is not installed",
            needs=["pip install netra[gpu-profiles] (Linux, x86-64)"],
        ) from None


def sdk() -> Any:
    """The package's programming interface; its import takes a second.

    Raises:
        InsufficientData: the extra is not installed.
    """
    version()
    # It says the model's configuration, and what data it lacks, as warnings on every call.
    logging.getLogger(_PACKAGE).setLevel(logging.CRITICAL)
    return importlib.import_module(f"{_PACKAGE}.sdk")


def folder() -> Path:
    """Where the installed package lies."""
    version()
    origin = importlib.import_module(_PACKAGE).__file__
    assert origin is not None
    return Path(origin).parent


def shipped_models() -> list[str]:
    """Models whose configuration ships with the package."""
    ending = "_config.json"
    names = (path.name for path in (folder() / "model_configs").glob("*" + ending))
    own = (n.removesuffix(ending) for n in names if not n.endswith("_hf_quant_config.json"))
    return sorted(name.replace("--", "/", 1) for name in own)


def shipped_model(name: str) -> str:
    """The package's name of a model, or of the one whose fine-tuned release it names.

    Raises:
        NotFound: it does not ship; the error names those that do. Nothing is downloaded.
    """
    known = set(shipped_models())
    base = name.removesuffix("-Instruct")
    for candidate in (name, _SAME_SHAPE.get(name), base, _SAME_SHAPE.get(base)):
        if candidate in known:
            return str(candidate)
    expected = "one of " + ", ".join(sorted(known | set(_SAME_SHAPE)))
    wrong = Problem(where="model", problem="ships with no profile", got=name, expected=expected)
    raise NotFound(f"no measured kernels of the model {name!r}", [wrong])


def system_of(gpu: str) -> str:
    """The package's name of a GPU.

    Raises:
        NotFound: no kernels were measured on it; the error names those on which they were.
    """
    if gpu in SYSTEMS:
        return SYSTEMS[gpu]
    if gpu in SYSTEMS.values():
        return gpu
    expected = "one of " + ", ".join(sorted(SYSTEMS))
    wrong = Problem(where="gpu", problem="has no profile", got=gpu, expected=expected)
    raise NotFound(f"no measured kernels of the GPU {gpu!r}", [wrong])
