"""How fast the serving simulator is on the Azure conversation trace, and how fast it compiles.

Settings: Llama-3.1-70B with 8-bit weights (16-bit ones leave two H100 no room for a KV cache) on
2 x H100 by the uncalibrated roofline, vLLM's limits of 256 sequences and 8,192 tokens a step,
16 replicas behind round-robin. Arrivals are compressed to 80 % of the saturated throughput: the
rate at which the middle 80 % of the requests finish when all arrive at once. One core; the median
of 5 runs, from arrays to arrays.
"""

from __future__ import annotations

import csv
import dataclasses
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np

from netra.analysis.compiled import Floats
from netra.analysis.serving.known import known_gpu, known_model
from netra.analysis.serving.roofline import Parallelism, Roofline
from netra.analysis.serving.settings import EngineSettings, Fleet, Routing
from netra.analysis.serving.simulator import Service, simulate
from netra.analysis.serving.step_time import StepTable
from tests.shared_data import shared_data_dir

REPLICAS = 16
_LOAD = 0.8
RUNS = 5
#: The first request of a process: seconds, and processor seconds, which others do not add to.
_COLD = """
import sys, time, numpy as np
from netra.analysis.serving.settings import EngineSettings, Fleet
from netra.analysis.serving.prefixes import prefixes_of
from netra.analysis.serving.simulator import simulate
from netra.analysis.serving.step_time import StepTable
engine = EngineSettings(max_num_seqs=2, max_num_batched_tokens=8, kv_blocks=9)
table = StepTable(tokens_s=np.ones(9), sequences_s=np.ones(3), kv_s=np.ones(3), pair_s=1.0)
one = np.ones(1, np.int64)
began = time.perf_counter(), time.process_time()
prefixes = None
if "hashed" in sys.argv:
    prefixes = prefixes_of(np.array([0, 1]), np.ones(1, np.uint64), one, block_tokens=16)
simulate(np.zeros(1), one, one, fleet=Fleet(engine=engine), table=table, prefixes=prefixes)
print(time.perf_counter() - began[0], time.process_time() - began[1])
"""


def engine_and_table() -> tuple[EngineSettings, StepTable]:
    """Of one replica."""
    roofline = Roofline(
        model=dataclasses.replace(known_model("meta-llama/Llama-3.1-70B"), weight_bytes=1.0),
        gpu=known_gpu("h100"),
        parallelism=Parallelism(tensor=2),
    )
    engine = EngineSettings(
        max_num_seqs=256, max_num_batched_tokens=8192, kv_blocks=roofline.kv_tokens() // 16
    )
    return engine, roofline.tabulate(max_tokens=8192, max_sequences=256)


def timed(serve: Callable[[], Service]) -> tuple[Service, float, float]:
    """What it returns, and the median of the seconds and of the processor seconds that it takes."""
    # The first call loads the compiled code.
    service = serve()
    whole: list[float] = []
    own: list[float] = []
    for _ in range(RUNS):
        began = time.perf_counter(), time.process_time()
        service = serve()
        whole.append(time.perf_counter() - began[0])
        own.append(time.process_time() - began[1])
    return service, statistics.median(whole), statistics.median(own)


def speed() -> dict[str, Any]:
    """Requests and steps a second, native and compressed, and the time to compile."""
    arrival, prompt, output = _trace()
    engine, table = engine_and_table()
    print(
        f"{engine}; {REPLICAS} replicas; seed {Fleet(engine=engine).seed}, which none of these "
        "routings uses"
    )

    def serve(arrival_s: Floats, routing: Routing) -> tuple[Service, float, float]:
        fleet = Fleet(engine=engine, replicas=REPLICAS, routing=routing)
        return timed(lambda: simulate(arrival_s, prompt, output, fleet=fleet, table=table))

    saturated, _, _ = serve(np.zeros_like(arrival), "round-robin")
    finish = np.sort(saturated.finish_s)
    low, high = len(finish) // 10, len(finish) * 9 // 10
    rate = (high - low) / float(finish[high] - finish[low])
    compressed = arrival * (len(arrival) / float(arrival[-1])) / (_LOAD * rate)
    print(f"saturated: {rate:.1f} requests/s; arrivals compressed to {_LOAD * rate:.1f}/s")
    out: dict[str, Any] = dict(_compile_s())
    cases: list[tuple[str, Floats, Routing]] = [
        ("requests_per_s", compressed, "round-robin"),
        ("requests_per_s_native", arrival, "round-robin"),
        ("requests_per_s_least_loaded", compressed, "least-loaded"),
        ("requests_per_s_native_least_loaded", arrival, "least-loaded"),
    ]
    for name, arrival_s, routing in cases:
        service, took_s, own_s = serve(arrival_s, routing)
        out[name] = round(len(arrival) / took_s)
        if name == "requests_per_s":
            out["steps_per_s"] = round(service.steps / took_s)
        print(
            f"{name}: {out[name]:,}, in a processor second {round(len(arrival) / own_s):,}; "
            f"{service.steps:,} steps in {service.decisions:,} decisions; "
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


def _compile_s() -> dict[str, float]:
    """The first call in a process with an empty cache of compiled code, and with a full one.

    With block hashes the loop is another one, which is compiled where it is needed.
    """
    found: dict[str, float] = {}
    for kind in ("", "hashed"):
        with tempfile.TemporaryDirectory() as cache:
            environment = {"NUMBA_CACHE_DIR": cache, "PATH": "/usr/bin:/bin"}
            for name in ("compile", "cached"):
                run = subprocess.run(
                    [sys.executable, "-c", _COLD, kind],
                    env=environment,
                    check=True,
                    capture_output=True,
                    text=True,
                )
                whole, own = map(float, run.stdout.split())
                key = "_".join(filter(None, (name, kind)))
                found |= {f"{key}_s": round(whole, 2), f"{key}_cpu_s": round(own, 2)}
    print(f"compiling: {found}")
    return found
