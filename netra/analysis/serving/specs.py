"""What a roofline must know of a GPU and of a model, and what follows from a model's shape."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GpuSpec:
    """A GPU as its maker publishes it; dense rates, without sparsity."""

    name: str
    #: Bytes of memory.
    memory_bytes: float
    #: Bytes read from memory in a second.
    memory_bytes_per_s: float
    #: Operations a second in 16-bit products that are summed in 32 bits.
    flops_per_s: float
    #: Bytes a second to another GPU of the host, in one direction.
    link_bytes_per_s: float
    #: Seconds until the first byte of a collective arrives.
    link_latency_s: float
    #: How many times faster products of 8-bit floats are; 1 where they only spare memory.
    eight_bit_rate: float = 1.0
    #: Where these figures stand.
    source: str


@dataclass(frozen=True, kw_only=True)
class LatentAttention:
    """Attention whose keys and values are cached as one latent vector a token.

    Source: DeepSeek-V2 (arXiv 2405.04434), section 2.1. All GPUs of a tensor-parallel group hold
    the whole cache, as if there were one KV head.
    """

    #: Width of the latent that queries are made from, and of the one of keys and values.
    query_rank: int
    kv_rank: int
    #: Of one head: the rotated part, the part without position, the value.
    rotated: int
    plain: int
    value: int


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A decoder-only transformer with a gated MLP, dense or of experts.

    What is counted are the matrices; norms and biases (under 0.1 %) are left out. Attention has
    grouped queries, or is latent. Layers that attend within a window are taken to have filled it.
    """

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    #: Width of the MLP, or of one expert.
    intermediate: int
    vocabulary: int
    #: Experts in a layer, and how many a token goes through; 1 and 1 for a dense model.
    experts: int = 1
    experts_per_token: int = 1
    #: Width of the expert that every token goes through, 0 if there is none.
    shared_intermediate: int = 0
    #: The first layers of a mixture that have one MLP instead, and its width.
    dense_layers: int = 0
    dense_intermediate: int = 0
    latent: LatentAttention | None = None
    #: Layers that attend only to the last `window` tokens.
    windowed_layers: int = 0
    window: int = 0
    #: Whether the output matrix is the embedding itself.
    tied: bool = False
    #: Bytes of one weight, and of one number in the KV cache.
    weight_bytes: float = 2.0
    kv_number_bytes: float = 2.0
    #: Bytes of one number of the embedding and the output matrix: quantization spares them.
    output_number_bytes: float = 2.0
    #: Bytes of one weight of an expert, if they differ.
    expert_weight_bytes: float | None = None
    #: Whether weights and what they are multiplied with are 8-bit floats.
    eight_bit_products: bool = False
    #: Where this shape stands.
    source: str

    @property
    def attention_weights(self) -> float:
        """Numbers in the attention matrices of all layers."""
        if self.latent is not None:
            return float(self.layers * self._latent_weights(self.latent))
        queries_and_output = 2 * self.hidden * self.heads * self.head_size
        keys_and_values = 2 * self.hidden * self.kv_heads * self.head_size
        return float(self.layers * (queries_and_output + keys_and_values))

    def _latent_weights(self, latent: LatentAttention) -> int:
        head = latent.rotated + latent.plain
        queries = latent.query_rank * (self.hidden + self.heads * head)
        down = self.hidden * (latent.kv_rank + latent.rotated)
        up = latent.kv_rank * self.heads * (latent.plain + latent.value)
        output = self.heads * latent.value * self.hidden
        return queries + down + up + output

    @property
    def expert_weights(self) -> float:
        """Numbers in one expert of every layer that has them; the whole MLP of a dense model."""
        return float((self.layers - self.dense_layers) * 3 * self.hidden * self.intermediate)

    @property
    def shared_weights(self) -> float:
        """Numbers that every token meets beside attention and experts: shared experts, routers,
        and the MLPs of a mixture's dense layers."""
        router = self.hidden * self.experts if self.experts > 1 else 0
        mixed = (self.layers - self.dense_layers) * (
            3 * self.hidden * self.shared_intermediate + router
        )
        return float(mixed + self.dense_layers * 3 * self.hidden * self.dense_intermediate)

    @property
    def output_weights(self) -> float:
        """Numbers in the matrix from the last layer to the vocabulary."""
        return float(self.hidden * self.vocabulary)

    @property
    def expert_bytes(self) -> float:
        """Bytes of one expert of every layer."""
        wide = self.weight_bytes if self.expert_weight_bytes is None else self.expert_weight_bytes
        return self.expert_weights * wide

    @property
    def total_bytes(self) -> float:
        """Bytes of all weights, the embedding included."""
        ends = (1 if self.tied else 2) * self.output_weights * self.output_number_bytes
        layers = (self.attention_weights + self.shared_weights) * self.weight_bytes
        return ends + layers + self.experts * self.expert_bytes

    @property
    def kv_bytes_per_token(self) -> float:
        """Bytes that one more token takes in the KV cache of all layers without a window."""
        numbers = 2 * self.kv_heads * self.head_size
        if self.latent is not None:
            numbers = self.latent.kv_rank + self.latent.rotated
        return float((self.layers - self.windowed_layers) * numbers * self.kv_number_bytes)

    @property
    def window_bytes(self) -> float:
        """Bytes in the full windows of one sequence."""
        numbers = 2 * self.kv_heads * self.head_size
        return float(self.windowed_layers * self.window * numbers * self.kv_number_bytes)

    @property
    def flops_per_pair(self) -> float:
        """Operations of one token attending to one other, in all layers without a window: two
        products."""
        width = 2 * self.head_size
        if self.latent is not None:
            width = self.latent.rotated + self.latent.plain + self.latent.value
        return 2.0 * (self.layers - self.windowed_layers) * self.heads * width
