"""What a capacity in blocks takes of a GPU's memory, for a model whose shape is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netra.analysis.serving.known import known_model

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
            f"2 (keys and values) x {spec.layers} layers x {spec.kv_heads} heads x"
            f" {spec.head_size} numbers x {number_bytes:g} bytes = {per_token:,.0f} bytes a token;"
            f" {block_tokens:,} tokens a block; GiB = 2^30 bytes"
        ),
        source=spec.source,
    )
