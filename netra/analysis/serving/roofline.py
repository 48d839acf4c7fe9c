"""Step times from published specifications: what must be read, multiplied and sent, at what rate.

The roofline model (Williams, Waterman & Patterson, CACM 52(4), 2009) applied to a transformer's
step, with a smooth maximum (the norm of order 2) in place of the sharp one, since reading weights
and multiplying overlap imperfectly near the ridge. Each rate is the published one times an
efficiency; what a calibration fits are these efficiencies and three overheads.

Cost of a table: O(tokens + sequences).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netra.analysis.compiled import Floats
from netra.analysis.serving.specs import GpuSpec, ModelSpec
from netra.analysis.serving.step_source import ErrorBand, StepOrigin
from netra.analysis.serving.step_time import StepTable
from netra.errors import InsufficientData

#: Bytes of one number that is sent between GPUs.
_ACTIVATION_BYTES = 2.0
#: Bytes of one logit, and how often the sampler reads or writes it (cast, scale, sort, normalise).
_LOGIT_BYTES = 4.0
_LOGIT_PASSES = 6.0
#: What a server keeps beside weights and KV cache: activations, CUDA graphs, workspaces.
_WORKSPACE_BYTES = 2.0e9
#: Root mean squares over three public vLLM runs, simulated with the default efficiencies.
UNCALIBRATED = ErrorBand(
    tpot=0.18,
    ttft=0.27,
    basis="mean TPOT and median TTFT of three public vLLM runs (LLMServingSim 2.0), not calibrated",
    n=3,
)


@dataclass(frozen=True, kw_only=True)
class Efficiencies:
    """Reached shares of the published rates, and overheads.

    The defaults are typical figures of well-tuned kernels, not fits to a run: the roofline without
    logs, and the means of the prior with them.
    """

    #: Of memory bandwidth, when weights are read.
    weights: float = 0.85
    #: Of the rate of products, in matrix products.
    products: float = 0.75
    #: Of what weights and products reach otherwise, in experts: their products are many and small.
    experts: float = 0.60
    #: Of memory bandwidth, when the KV cache is read.
    kv: float = 0.75
    #: Of the rate of products, in the attention of prompts.
    attention: float = 0.40
    #: Of the bandwidth of links.
    link: float = 0.60
    #: The latency of links, as a multiple of the specified one.
    latency: float = 1.0
    #: Seconds of a step whatever is in it: launches, and what the scheduler does not hide.
    step_s: float = 1.0e-3
    #: Seconds for each sequence in a step: its sampling and bookkeeping outside the kernels.
    sequence_s: float = 1.0e-5


@dataclass(frozen=True, kw_only=True)
class Parallelism:
    """How one replica lies on its GPUs."""

    #: GPUs that share each layer.
    tensor: int = 1
    #: Engine ranks in lockstep, each with requests of its own; experts lie over all of them.
    data: int = 1

    @property
    def gpus(self) -> int:
        return self.tensor * self.data


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """The step times of one rank of a model on GPUs of one kind."""

    model: ModelSpec
    gpu: GpuSpec
    parallelism: Parallelism = Parallelism()
    efficiencies: Efficiencies = Efficiencies()
    #: How far its times are from measured ones; a calibration knows better.
    error: ErrorBand = UNCALIBRATED

    @property
    def origin(self) -> StepOrigin:
        """Where these times come from."""
        return StepOrigin(
            source="roofline",
            model=self.model.name,
            gpu=self.gpu.name,
            tensor=self.parallelism.tensor,
            data=self.parallelism.data,
            error=self.error,
            detail=f"{self.gpu.source}; {self.model.source}",
        )

    def tabulate(self, *, max_tokens: int, max_sequences: int) -> StepTable:
        """The times of all steps of up to so many tokens and sequences."""
        tokens = np.arange(max_tokens + 1, dtype=np.float64)
        sequences = np.arange(max_sequences + 1, dtype=np.float64)
        e = self.efficiencies
        products = self._products_s(tokens)
        shared = np.hypot(self._weights_s(tokens), products) + self._link_s(tokens)
        kv_rate = self.gpu.memory_bytes_per_s * e.kv * self._kv_shards
        pair_rate = self.gpu.flops_per_s * e.attention * self.parallelism.tensor
        return StepTable(
            tokens_s=e.step_s + shared,
            sequences_s=sequences
            * (e.sequence_s + self._sampling_s + self.model.window_bytes / kv_rate),
            kv_s=np.full(max_sequences + 1, self.model.kv_bytes_per_token / kv_rate),
            pair_s=self.model.flops_per_pair / pair_rate,
        )

    def kv_tokens(self, memory_share: float = 0.9) -> int:
        """How many tokens the KV cache of one rank holds.

        Args:
            memory_share: what the server may use of the memory (`gpu_memory_utilization`).

        Raises:
            InsufficientData: the weights leave no room.
        """
        per_gpu = self.gpu.memory_bytes * memory_share - self._resident_bytes - _WORKSPACE_BYTES
        tokens = int(per_gpu * self._kv_shards / self.model.kv_bytes_per_token)
        if tokens <= 0:
            raise InsufficientData(
                f"{self.model.name} does not fit: its share of the weights is "
                f"{self._resident_bytes / 1e9:.1f} GB, and {self.gpu.name} has "
                f"{self.gpu.memory_bytes / 1e9:.1f} GB",
                needs=["more GPUs a replica (tensor parallelism)", "a GPU with more memory"],
            )
        return tokens

    def check_weights_fit(self) -> None:
        """Whatever a server is said to have done with its memory: weights are in it.

        Raises:
            InsufficientData: a GPU has less memory than its share of the weights.
        """
        if self._resident_bytes > self.gpu.memory_bytes:
            raise InsufficientData(
                f"{self.model.name} does not fit: its share of the weights is "
                f"{self._resident_bytes / 1e9:.1f} GB, and {self.gpu.name} has "
                f"{self.gpu.memory_bytes / 1e9:.1f} GB",
                needs=["the model, its quantization, the GPU and how many that the engine had"],
            )

    @property
    def _kv_shards(self) -> int:
        """Over how many GPUs the KV heads are spread; beyond their number they are repeated."""
        return min(self.parallelism.tensor, self.model.kv_heads)

    @property
    def _expert_ranks(self) -> int:
        """Over how many ranks the experts lie; a dense model is whole on each of them."""
        return self.parallelism.data if self.model.experts > 1 else 1

    @property
    def _expert_gpus(self) -> int:
        return self.parallelism.tensor * self._expert_ranks

    @property
    def _resident_bytes(self) -> float:
        """Bytes of weights on one GPU."""
        m = self.model
        experts = m.experts * m.expert_bytes
        return (m.total_bytes - experts) / self.parallelism.tensor + experts / self._expert_gpus

    def _expert_tokens(self, tokens: Floats) -> Floats:
        """The tokens that meet at the experts, if the other ranks have as many."""
        return tokens * self._expert_ranks

    def _weights_s(self, tokens: Floats) -> Floats:
        """Reading every weight that the step's tokens need, once.

        T tokens that each go through k of E experts at random touch E (1 - (1 - k/E)^T) of them.
        """
        m = self.model
        dense = (m.attention_weights + m.shared_weights) * m.weight_bytes
        dense += m.output_weights * m.output_number_bytes
        missed = (1.0 - m.experts_per_token / m.experts) ** self._expert_tokens(tokens)
        touched = m.experts * (1.0 - missed) * m.expert_bytes
        per_gpu = dense / self.parallelism.tensor + touched / self._expert_gpus / self._grouped
        return per_gpu / (self.gpu.memory_bytes_per_s * self.efficiencies.weights)

    def _products_s(self, tokens: Floats) -> Floats:
        """Multiplying every token with its weights: two operations for each weight."""
        m = self.model
        dense = tokens * (m.attention_weights + m.shared_weights)
        routed = self._expert_tokens(tokens) * m.experts_per_token * m.expert_weights
        per_gpu = dense / self.parallelism.tensor + routed / self._expert_gpus / self._grouped
        return 2.0 * per_gpu / self._product_rate

    @property
    def _product_rate(self) -> float:
        """Operations a second in products with weights."""
        faster = self.gpu.eight_bit_rate if self.model.eight_bit_products else 1.0
        return self.gpu.flops_per_s * faster * self.efficiencies.products

    @property
    def _grouped(self) -> float:
        """What is lost where an MLP is many products; a dense model's MLP is one."""
        return self.efficiencies.experts if self.model.experts > 1 else 1.0

    def _link_s(self, tokens: Floats) -> Floats:
        """What each layer sends: sums over GPUs, after attention and after the MLP.

        A ring of g GPUs sends 2 (g - 1) / g of the activations over each link. Experts over r
        ranks gather the tokens of all, and scatter their sums: 2 (r - 1) of one rank's.
        """
        e, tensor, ranks = self.efficiencies, self.parallelism.tensor, self._expert_ranks
        turns = 2 * (2.0 * (tensor - 1) / tensor) + 2.0 * (ranks - 1)
        if not turns:
            return np.zeros_like(tokens)
        sent = turns * tokens * self.model.hidden * _ACTIVATION_BYTES
        rate = self.gpu.link_bytes_per_s * e.link
        latency = 2.0 * self.gpu.link_latency_s * e.latency
        return self.model.layers * (sent / rate + latency)

    @property
    def _sampling_s(self) -> float:
        """The output matrix and the sampler for one sequence; both run once a sequence."""
        m, e, tensor = self.model, self.efficiencies, self.parallelism.tensor
        # Quantized models keep 16 bits here.
        products = 2.0 * m.output_weights / tensor / (self.gpu.flops_per_s * e.products)
        logits = m.vocabulary * _LOGIT_BYTES * _LOGIT_PASSES
        return products + logits / (self.gpu.memory_bytes_per_s * e.weights)
