"""GPUs and models by name: `known_gpus.py` and `known_models.py` hold them, with their sources.

A model's name is read as people write it: capitals, the organisation, and what fine-tuned releases
append do not matter, since they change no shape; what quantized releases append does.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Final

from netra.analysis.serving.known_gpus import GPUS, known_gpu
from netra.analysis.serving.known_models import MODELS
from netra.analysis.serving.specs import ModelSpec
from netra.errors import NotFound, Problem

__all__ = ["GPUS", "MODELS", "known_gpu", "known_model", "with_format"]

#: What fine-tuned releases of a model add to its name.
_RELEASE = re.compile(r"-(instruct|it|chat|base|thinking|hf|\d{4})(?=-|$)")

#: What names of quantized releases end in, and the bytes of a weight in each format: groups of
#: 32 to 128 weights share a scale of 8 to 16 bits. Whether products are of 8-bit floats too.
_FORMATS: Final[dict[str, tuple[float, bool]]] = {
    "fp8": (1.0, True),
    "int8": (1.0, False),
    "int4": (0.53, False),
    "nvfp4": (0.5625, True),
}
_SUFFIXES: Final = (
    (re.compile(r"-fp8(-(dynamic|static|block|static-pertensor|kv))*$"), "fp8"),
    (re.compile(r"-(gptq-int8|quantized\.w8a16|w8a16)$"), "int8"),
    (re.compile(r"-(awq(-int4)?|gptq(-int4)?|quantized\.w4a16|w4a16)$"), "int4"),
    (re.compile(r"-nvfp4$"), "nvfp4"),
)


def known_model(name: str) -> ModelSpec:
    """The model of that name, or the one whose fine-tuned or quantized release it names.

    Raises:
        NotFound: it is not known; the error names those that are. Nothing is downloaded.
    """
    plain = name.lower()
    weights = None
    for pattern, known in _SUFFIXES:
        shorter = pattern.sub("", plain)
        if shorter != plain:
            plain, weights = shorter, known
            break
    found = _BY_PLAIN_NAME.get(_plain(plain))
    if found is None:
        expected = "one of " + ", ".join(sorted(MODELS))
        wrong = Problem(where="model", problem="is not a known model", got=name, expected=expected)
        raise NotFound(f"no specification of the model {name!r}", [wrong])
    return found if weights is None else with_format(found, weights)


def with_format(model: ModelSpec, weights: str) -> ModelSpec:
    """The model with its layers' weights in another format: `fp8`, `int8`, `int4` or `nvfp4`.

    Raises:
        KeyError: there is no such format.
    """
    size, products = _FORMATS[weights]
    changed: dict[str, Any] = {"weight_bytes": size, "eight_bit_products": products}
    return dataclasses.replace(model, expert_weight_bytes=None, **changed)


def _plain(name: str) -> str:
    """`Qwen/Qwen3-8B-Instruct` as `qwen3-8b`."""
    last = name.lower().rpartition("/")[2].removeprefix("meta-")
    while (shorter := _RELEASE.sub("", last)) != last:
        last = shorter
    return last


_BY_PLAIN_NAME: Final = {_plain(name): spec for name, spec in MODELS.items()}
