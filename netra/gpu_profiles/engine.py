"""One deployment as the package computes it: the engine that answers how long a step takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from netra.errors import InsufficientData, InvalidInput, Problem
from netra.gpu_profiles.installed import ENGINES, sdk, shipped_model, system_of

#: Models with latent attention, whose attention was measured in 16 bits alone.
_LATENT: Final = ("DeepSeek", "Kimi", "GLM")


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """What runs where. Names of quantisation are the package's; "" is as the model's files say."""

    model: str
    gpu: str
    engine: str = "vllm"
    tensor: int = 1
    data: int = 1
    #: GPUs that share an expert, and ranks over which experts lie.
    expert_tensor: int = 1
    expert_ranks: int = 1
    gemm: str = ""
    experts: str = ""

    def __post_init__(self) -> None:
        """Raises:
        InvalidInput: no such engine.
        """
        if self.engine not in ENGINES:
            expected = "one of " + ", ".join(ENGINES)
            wrong = Problem(where="engine", problem="unknown", got=self.engine, expected=expected)
            raise InvalidInput(f"no measured kernels of the engine {self.engine!r}", [wrong])

    def as_key(self) -> dict[str, Any]:
        return asdict(self)


class Engine:
    """The package's predictions for one deployment; all in milliseconds, some microseconds a call.

    Where the package has no data for the quantisation or the layout of experts that is asked for,
    the nearest that it has is taken, in the order of `_candidates`; `taken` says which.
    """

    def __init__(self, deployed: Deployed) -> None:
        """Raises:
        NotFound: the model or the GPU ships with no profile.
        InsufficientData: the package has no data for it, or is not installed.
        """
        self.deployed = deployed
        self._model = shipped_model(deployed.model)
        self._system = system_of(deployed.gpu)
        self._sdk = sdk()
        said = ""
        for options in _candidates(deployed):
            try:
                handle = self._sdk.EngineHandle.compile(
                    self._model, self._system, deployed.engine, **options
                )
                handle.predict_decode_latency(8, 1024, 2)
                handle.predict_prefill_latency(1, 1024)
                handle.mixed_step_latency(1024, 8, 1024, 128)
            except Exception as e:
                said = said or str(e).split(" at /")[0][:200]
                continue
            self.taken: dict[str, Any] = options
            self._handle: Any = handle
            return
        raise InsufficientData(
            f"no measured kernels of {deployed.model} on {deployed.tensor * deployed.data} x"
            f" {deployed.gpu} with {deployed.engine}: {said}",
            needs=["another engine, quantisation or layout", "the roofline instead"],
        )

    def decode_ms(self, sequences: int, context: int) -> float:
        """A step in which so many sequences of so many tokens each get one more."""
        return float(self._handle.predict_decode_latency(sequences, max(context - 1, 1), 2))

    def prefill_ms(self, prompts: int, tokens: int, before: int = 0) -> float:
        """A step that reads so many prompts of so many tokens each, each after `before` others."""
        return float(self._handle.predict_prefill_latency(prompts, tokens + before, before))

    def mixed_ms(self, prompt_tokens: int, decodes: int, input_: int, output: int) -> float:
        """A step that reads so many tokens of prompts beside so many decoding sequences."""
        return float(self._handle.mixed_step_latency(prompt_tokens, decodes, input_, output))

    def kv_tokens(self, memory_share: float, *, max_tokens: int, max_sequences: int) -> int:
        """How many tokens the KV cache of one rank holds.

        Raises:
            InsufficientData: the weights leave no room.
        """
        kind = "of_free" if self.deployed.engine == "trtllm" else "of_total"
        try:
            found = self._sdk.estimate_kv_cache(
                self._model,
                self._system,
                self.deployed.engine,
                "current",
                max_num_tokens=max_tokens,
                max_batch_size=max_sequences,
                memory_fraction_kind=kind,
                memory_fraction_value=memory_share,
                **self.taken,
            )
        except ValueError as e:
            raise InsufficientData(
                f"{self.deployed.model} does not fit: {str(e)[:200]}",
                needs=["more GPUs a replica (tensor parallelism)", "a GPU with more memory"],
            ) from e
        return int(found["total_kv_size_tokens"])


def _candidates(deployed: Deployed) -> list[dict[str, Any]]:
    """What is tried, in this order: as asked; block-scaled for plain 8 bits and the reverse; what
    the model's own files say; experts whole on ranks instead of split."""
    layout: dict[str, Any] = {
        "tp_size": deployed.tensor,
        "attention_dp_size": deployed.data,
        "moe_tp_size": max(1, deployed.expert_tensor),
        "moe_ep_size": max(1, deployed.expert_ranks),
    }
    spread = layout | {"moe_tp_size": 1, "moe_ep_size": deployed.tensor * deployed.data}
    found = [
        base | _modes(gemm, experts) | attention
        for base in (layout, spread)
        for gemm, experts in _quantisations(deployed)
        for attention in _attentions(deployed.model)
    ]
    return [options for i, options in enumerate(found) if options not in found[:i]]


def _quantisations(deployed: Deployed) -> list[tuple[str, str]]:
    gemm, experts = deployed.gemm, deployed.experts
    if "gpt-oss" in deployed.model:  # Its files hold 4-bit experts, whatever a record calls them.
        return [("bfloat16", "w4a16_mxfp4"), ("", "")]
    if gemm == "int4_wo":  # Quantized releases of experts keep the other matrices in 16 bits.
        return [(gemm, experts), ("bfloat16", experts), ("", "")]
    other = {"fp8": "fp8_block", "fp8_block": "fp8"}.get(experts)
    if other is None:
        return [(gemm, experts), ("", "")]
    return [(gemm, experts), (gemm, other), (other, other), ("", "")]


def _modes(gemm: str, experts: str) -> dict[str, Any]:
    named = {"gemm_quant_mode": gemm, "moe_quant_mode": experts}
    return {name: mode for name, mode in named.items() if mode}


def _attentions(model: str) -> list[dict[str, Any]]:
    if not any(name in model for name in _LATENT):
        return [{}]
    found: list[dict[str, Any]] = [
        {"fmha_quant_mode": "bfloat16"},
        {"fmha_quant_mode": "bfloat16", "kvcache_quant_mode": "fp8"},
        {},
        {"fmha_quant_mode": "fp8"},
    ]
    return found if "GLM" in model else [found[0], *found[2:]]
