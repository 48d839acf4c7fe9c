"""The real vLLM runs that lie outside the repository."""

from __future__ import annotations

import json
from typing import Any

from netra.analysis.serving.deployment import Deployment, deployment_of
from netra.analysis.serving.run_log import RunLog, read_run_log
from tests.shared_data import shared_data

#: Run and GPU.
RUNS = {
    "rtx4090-llama-3.1-8b": "rtx4090",
    "rtxpro6000-llama-3.1-8b": "rtxpro6000",
    "rtxpro6000-qwen3-32b": "rtxpro6000",
}

#: Runs on the same GPU, each to be predicted from the other's log.
PAIRS = (
    ("rtxpro6000-llama-3.1-8b", "rtxpro6000-qwen3-32b"),
    ("rtxpro6000-qwen3-32b", "rtxpro6000-llama-3.1-8b"),
)

#: What LLMServingSim, from whose benches the runs are, states as the link of these cards
#: (`link_bw` of its cluster configurations, in GB/s).
LINK_GBS = 16.0


def rows_of(run: str) -> list[dict[str, Any]]:
    with shared_data(f"vllm-runs/{run}.jsonl").open() as file:
        return [json.loads(line) for line in file]


def deployed(run: str, link_gbs: float | None = None) -> Deployment:
    meta = json.loads(shared_data(f"vllm-runs/{run}.meta.json").read_text())
    return deployment_of(meta, gpu=RUNS[run], link_gbs=link_gbs)


def load(run: str, link_gbs: float | None = None) -> tuple[RunLog, Deployment]:
    return read_run_log(rows_of(run)), deployed(run, link_gbs)
