"""What a capacity in blocks takes of a GPU's memory, for a model whose shape is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netra.analysis.serving.known import known_model
from netra.analysis.serving.specs import ModelSpec

GIB = float(1 << 30)


@dataclass(frozen=True, kw_only=True)
class KvMemory:
    """Turns blocks into bytes of KV cache."""

    model: str
    #: Bytes of one token's keys and values in all layers.
    bytes_per_token: float
    block_tokens: int
    #: How `bytes_per_token` comes about.
    method: str
    source: str

    def gib(self, blocks: float) -> float:
        return blocks * self.block_tokens * self.bytes_per_token / GIB

    def as_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "bytes_per_token": self.bytes_per_token,
            "block_tokens": self.block_tokens,
            "method": self.method,
            "source": self.source,
        }


def kv_memory(model: str, block_tokens: int, number_bytes: float) -> KvMemory:
    """The KV memory of a known model.

    Args:
        number_bytes: bytes of one number in the cache: 2 with 16 bits, 1 with 8.

    Raises:
        NotFound: the model is not known; names those that are.
    """
    spec = known_model(model)
    per_token = spec.kv_bytes_per_token / spec.kv_number_bytes * number_bytes
    return KvMemory(
        model=spec.name,
        bytes_per_token=per_token,
        block_tokens=block_tokens,
        method=(
            f"{_numbers(spec)} x {number_bytes:g} bytes = {per_token:,.0f} bytes a token;"
            f" {block_tokens:,} tokens a block; GiB = 2^30 bytes"
        ),
        source=spec.source,
    )


def _numbers(spec: ModelSpec) -> str:
    """Which numbers a token has in the cache."""
    layers = spec.layers - spec.windowed_layers
    if spec.latent is not None:
        held = f"({spec.latent.kv_rank} latent + {spec.latent.rotated} rotated numbers)"
    else:
        held = f"2 (keys and values) x {spec.kv_heads} heads x {spec.head_size} numbers"
    beside = ""
    if spec.windowed_layers:
        beside = (
            f" ({spec.windowed_layers} more layers keep a window of {spec.window:,} tokens of each"
            " sequence, not counted here)"
        )
    return f"{layers} layers{beside} x {held}"
