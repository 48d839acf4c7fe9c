"""How fast the serving simulator is on the Azure conversation trace.

Settings: Llama-3.1-70B with 8-bit weights (16-bit ones leave two H100 no room for a KV cache) on
2 x H100 by the uncalibrated roofline, vLLM's limits of 256 sequences and 8,192 tokens a step,
16 replicas behind round-robin. Arrivals are compressed to 80 % of the saturated throughput: the
rate at which the middle 80 % of the requests finish when all arrive at once.
"""

from __future__ import annotations

import csv
import dataclasses
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from typing import Any

import numpy as np

from netra.analysis.serving.known import known_gpu, known_model
from netra.analysis.serving.roofline import Parallelism, Roofline
from netra.analysis.serving.settings import EngineSettings, Fleet, Routing
from netra.analysis.serving.simulator import Service, simulate
from tests.shared_data import shared_data_dir

_REPLICAS = 16
_LOAD = 0.8
_RUNS = 5
_COLD = """
import time, numpy as np
from netra.analysis.serving.settings import EngineSettings, Fleet
from netra.analysis.serving.simulator import simulate
from netra.analysis.serving.step_time import StepTable
engine = EngineSettings(max_num_seqs=2, max_num_batched_tokens=8, kv_blocks=9)
table = StepTable(tokens_s=np.ones(9), sequences_s=np.ones(3), kv_s=np.ones(3), pair_s=1.0)
one = np.ones(1, np.int64)
began = time.perf_counter()
simulate(np.zeros(1), one, one, fleet=Fleet(engine=engine), table=table)
print(time.perf_counter() - began)
"""


def speed() -> dict[str, Any]:
    """Requests and steps a second, native and compressed, and the time to compile."""
    arrival, prompt, output = _trace()
    roofline = Roofline(
        model=dataclasses.replace(known_model("meta-llama/Llama-3.1-70B"), weight_bytes=1.0),
        gpu=known_gpu("h100"),
        parallelism=Parallelism(tensor=2),
    )
    engine = EngineSettings(
        max_num_seqs=256, max_num_batched_tokens=8192, kv_blocks=roofline.kv_tokens() // 16
    )
    table = roofline.tabulate(max_tokens=8192, max_sequences=256)
    print(f"{engine}; {_REPLICAS} replicas; no routing here draws numbers, so no seed matters")

    def timed(arrival_s: Any, routing: Routing) -> tuple[Service, float]:
        fleet = Fleet(engine=engine, replicas=_REPLICAS, routing=routing)
        # The first call loads the compiled code.
        service = simulate(arrival_s, prompt, output, fleet=fleet, table=table)
        times: list[float] = []
        for _ in range(_RUNS):
            began = time.perf_counter()
            service = simulate(arrival_s, prompt, output, fleet=fleet, table=table)
            times.append(time.perf_counter() - began)
        return service, statistics.median(times)

    compile_s, cached_s = _compile_s()
    saturated, _ = timed(np.zeros_like(arrival), "round-robin")
    finish = np.sort(saturated.finish_s)
    low, high = len(finish) // 10, len(finish) * 9 // 10
    rate = (high - low) / float(finish[high] - finish[low])
    compressed = arrival * (len(arrival) / float(arrival[-1])) / (_LOAD * rate)
    print(f"saturated: {rate:.1f} requests/s; arrivals compressed to {_LOAD * rate:.1f}/s")
    out: dict[str, Any] = {"compile_s": compile_s, "cached_s": cached_s}
    for name, arrival_s, routing in (
        ("requests_per_s", compressed, "round-robin"),
        ("requests_per_s_native", arrival, "round-robin"),
        ("requests_per_s_least_loaded", compressed, "least-loaded"),
        ("requests_per_s_native_least_loaded", arrival, "least-loaded"),
    ):
        service, took_s = timed(arrival_s, routing)
        out[name] = round(len(arrival) / took_s)
        if name == "requests_per_s":
            out["steps_per_s"] = round(service.steps / took_s)
        print(
            f"{name}: {out[name]:,}; {service.steps:,} steps in {service.decisions:,} decisions; "
            f"p95 TTFT {np.percentile(service.ttft_s, 95):.3f} s, "
            f"p95 TPOT {np.nanpercentile(service.tpot_s, 95) * 1e3:.1f} ms, "
            f"{int(service.preemptions.sum())} preemptions"
        )
    return out


def _trace() -> tuple[Any, Any, Any]:
    """Arrivals (s from the first), inputs and outputs, by arrival."""
    with (shared_data_dir() / "azure-2023-conversation.csv").open() as file:
        rows = list(csv.DictReader(file))
    stamps = np.array([datetime.fromisoformat(row["TIMESTAMP"]).timestamp() for row in rows])
    order = np.argsort(stamps, kind="stable")
    prompt = np.array([int(row["ContextTokens"]) for row in rows], np.int64)[order]
    output = np.array([int(row["GeneratedTokens"]) for row in rows], np.int64)[order]
    return stamps[order] - stamps.min(), np.maximum(prompt, 1), np.maximum(output, 1)


def _compile_s() -> tuple[float, float]:
    """The first call in a process with an empty cache of compiled code, and with a full one."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {"NUMBA_CACHE_DIR": cache, "PATH": "/usr/bin:/bin"}
        took: list[float] = []
        for _ in range(2):
            run = subprocess.run(
                [sys.executable, "-c", _COLD],
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            )
            took.append(round(float(run.stdout), 2))
    return took[0], took[1]
