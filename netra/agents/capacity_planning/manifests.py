"""The chosen fleet as `vllm serve` flags and as a Kubernetes manifest.

The flags are those of `vllm serve` (docs.vllm.ai, "Engine Arguments"); the manifest follows vLLM's
guide to Kubernetes (docs.vllm.ai, "Using Kubernetes"): the OpenAI image, GPUs as a limit, shared
memory for tensor parallelism, `/health` as the probe.
"""

from __future__ import annotations

import re

from netra.analysis.serving.search.configuration import Candidate

#: The release whose scheduler the simulator follows.
IMAGE = "vllm/vllm-openai:v0.19.0"
#: Loading weights may take so long before the probe gives up: 10 s x 180.
_STARTUP_PROBES = 180


def vllm_flags(
    candidate: Candidate, *, memory_share: float, max_model_len: int, weights: str
) -> list[str]:
    """The flags of one replica."""
    c = candidate.configuration
    flags = [
        f"--tensor-parallel-size={c.tensor}",
        f"--max-num-seqs={c.engine.max_num_seqs}",
        f"--max-num-batched-tokens={c.engine.max_num_batched_tokens}",
        f"--max-model-len={max_model_len}",
        f"--gpu-memory-utilization={memory_share:g}",
        f"--block-size={c.engine.block_tokens}",
    ]
    if c.data > 1:
        flags += [f"--data-parallel-size={c.data}", "--enable-expert-parallel"]
    if weights == "fp8":
        # Other formats are those of a checkpoint that has been quantized, and need no flag.
        flags.append("--quantization=fp8")
    return flags


def vllm_command(model: str, flags: list[str]) -> str:
    return " \\\n  ".join([f"vllm serve {model}", *flags])


def kubernetes(model: str, candidate: Candidate, flags: list[str]) -> str:
    """A Deployment of all replicas and a Service before them, as YAML."""
    name = re.sub(r"[^a-z0-9]+", "-", model.rpartition("/")[2].lower()).strip("-")[:40].strip("-")
    gpus = candidate.configuration.gpus
    replicas = "replica" if candidate.replicas == 1 else "replicas"
    args = "\n".join(f'            - "{flag}"' for flag in [f"--model={model}", *flags])
    return f"""\
# {candidate.replicas} {replicas} of {gpus} x {candidate.configuration.gpu}. Choose the nodes by a \
nodeSelector or by taints.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: vllm-{name}
  labels:
    app.kubernetes.io/name: vllm-{name}
spec:
  replicas: {candidate.replicas}
  selector:
    matchLabels:
      app.kubernetes.io/name: vllm-{name}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: vllm-{name}
    spec:
      containers:
        - name: vllm
          image: {IMAGE}
          args:
{args}
          ports:
            - name: http
              containerPort: 8000
          resources:
            limits:
              nvidia.com/gpu: {gpus}
          startupProbe:
            httpGet:
              path: /health
              port: http
            periodSeconds: 10
            failureThreshold: {_STARTUP_PROBES}
          readinessProbe:
            httpGet:
              path: /health
              port: http
            periodSeconds: 5
          volumeMounts:
            - name: shm
              mountPath: /dev/shm
      volumes:
        - name: shm
          emptyDir:
            medium: Memory
---
apiVersion: v1
kind: Service
metadata:
  name: vllm-{name}
spec:
  selector:
    app.kubernetes.io/name: vllm-{name}
  ports:
    - name: http
      port: 8000
      targetPort: http
"""


def routing_note(routing: str) -> str:
    """How requests have to come to the replicas for the figures to hold."""
    if routing == "least-loaded":
        return (
            "requests go to the replica with the fewest unfinished ones: a router that counts them"
            " (least outstanding requests), since a Kubernetes Service does not"
        )
    if routing == "prefix-aware":
        return (
            "requests go to the replica whose cache has most of the prompt, unless it is far more"
            " loaded than others: a prefix-aware router such as vLLM's production stack or AIBrix"
        )
    if routing == "round-robin":
        return "requests go to the replicas in turn: a router or proxy with round-robin"
    return "requests go to replicas at random, as a Kubernetes Service does it"
