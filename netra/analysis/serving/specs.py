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
    #: Where these figures stand.
    source: str


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A decoder-only transformer with grouped-query attention and a gated MLP, dense or of experts.

    What is counted are the matrices; norms and biases (under 0.1 %) are left out.
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
    #: Whether the output matrix is the embedding itself.
    tied: bool = False
    #: Bytes of one weight, and of one number in the KV cache.
    weight_bytes: float = 2.0
    kv_number_bytes: float = 2.0
    #: Where this shape stands.
    source: str

    @property
    def attention_weights(self) -> float:
        """Numbers in the attention matrices of all layers."""
        queries_and_output = 2 * self.hidden * self.heads * self.head_size
        keys_and_values = 2 * self.hidden * self.kv_heads * self.head_size
        return float(self.layers * (queries_and_output + keys_and_values))

    @property
    def expert_weights(self) -> float:
        """Numbers in one expert of every layer; the whole MLP of a dense model."""
        return float(self.layers * 3 * self.hidden * self.intermediate)

    @property
    def shared_weights(self) -> float:
        """Numbers in the shared experts and in the routers of all layers."""
        router = self.hidden * self.experts if self.experts > 1 else 0
        return float(self.layers * (3 * self.hidden * self.shared_intermediate + router))

    @property
    def output_weights(self) -> float:
        """Numbers in the matrix from the last layer to the vocabulary."""
        return float(self.hidden * self.vocabulary)

    @property
    def total_bytes(self) -> float:
        """Bytes of all weights, the embedding included."""
        numbers = (
            self.attention_weights
            + self.experts * self.expert_weights
            + self.shared_weights
            + self.output_weights * (1 if self.tied else 2)
        )
        return numbers * self.weight_bytes

    @property
    def kv_bytes_per_token(self) -> float:
        """Bytes that one token takes in the KV cache of all layers."""
        return 2.0 * self.layers * self.kv_heads * self.head_size * self.kv_number_bytes

    @property
    def flops_per_pair(self) -> float:
        """Operations of one token attending to one other, in all layers: two products."""
        return 4.0 * self.layers * self.heads * self.head_size
