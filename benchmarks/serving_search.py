"""The fleet search over the Azure conversation trace at its own rate, in a process of its own.

Llama-3.1-70B with 8-bit weights, five GPUs at given prices, p95 TTFT 2 s and TPOT 50 ms: how many
fleets are candidates, how long the search takes on two cores, and the most memory of the process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import Any

#: USD an hour: what decides the order of candidates, not their number.
_PRICES = {"a100-80gb": 1.6, "h100": 3.2, "h200": 3.99, "b200": 6.0, "rtxpro6000": 1.85}
_THREADS = 2


def fleet_search() -> dict[str, Any]:
    """`{search_candidates, search_s, search_peak_mb, …}`."""
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving_search"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    *said, figures = run.stdout.splitlines()
    print("\n".join(said))
    return json.loads(figures)


def main() -> None:
    # Imported here: the other process measures its own memory, this one needs none of it.
    import dataclasses

    from benchmarks.serving_speed import _trace
    from netra.analysis.serving.known import known_gpu, known_model
    from netra.analysis.serving.roofline import Parallelism, Roofline
    from netra.analysis.serving.search.configuration import Configuration
    from netra.analysis.serving.search.fleet_search import search
    from netra.analysis.serving.search.limits import Limit
    from netra.analysis.serving.search.offers import Replica, configurations_of
    from netra.analysis.serving.search.trace import Trace

    arrival, prompt, output = _trace()
    trace = Trace(arrival_s=arrival, input_tokens=prompt, output_tokens=output)
    limits = [
        Limit(metric="ttft", q=0.95, seconds=2.0),
        Limit(metric="tpot", q=0.95, seconds=0.05),
    ]
    model = dataclasses.replace(known_model("meta-llama/Llama-3.1-70B"), weight_bytes=1.0)
    began, began_cpu = time.perf_counter(), time.process_time()
    configurations: list[Configuration] = []
    for gpu, usd in _PRICES.items():
        for tensor in (1, 2, 4, 8):
            times = Roofline(
                model=model, gpu=known_gpu(gpu), parallelism=Parallelism(tensor=tensor)
            )
            replica = Replica(gpu=gpu, tensor=tensor, times=times, usd_per_hour=usd * tensor)
            configurations += configurations_of(replica, trace).configurations
    found = search(trace, configurations, limits, threads=_THREADS)
    search_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    assert found.cheapest is not None
    best = found.cheapest.candidate
    print(
        f"cheapest: {best.replicas} x {best.configuration.tensor} {best.configuration.gpu}, "
        f"{best.usd_per_hour:.2f} USD/h, {found.cheapest.percentiles}"
    )
    figures = {
        "search_candidates": found.candidates,
        "search_s": round(search_s, 2),
        "search_cpu_s": round(cpu_s, 2),
        "search_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "search_simulated": found.simulated,
        "search_ruled_out": found.ruled_out,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
