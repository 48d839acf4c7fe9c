"""All benchmarks that the README speaks of, in one run; the last line is one JSON object."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import psutil

#: Modules, each of which ends with one JSON object, and what is taken from it.
BENCHMARKS = {
    "benchmarks.ingest": ("ingest_rows_per_s", "ingest_ratio"),
    "benchmarks.lru_curve": ("lru_curve_refs_per_s", "lru_curve_ratio"),
    "benchmarks.jobs": ("job_latency_p50_ms", "job_latency_p99_ms", "celery_round_trip_p50_ms"),
}


def run(module: str) -> dict[str, float]:
    """Runs one benchmark, passing its lines on, and returns the object in its last line."""
    print(f"--- {module}", flush=True)
    last = ""
    with subprocess.Popen(
        [sys.executable, "-m", module], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line
    if process.returncode:
        raise SystemExit(f"{module} ended with {process.returncode}")
    return json.loads(last)


def _busy_s() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0)


def _own_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    busy, own = _busy_s(), _own_s()
    figures: dict[str, float] = {}
    for module, names in BENCHMARKS.items():
        found = run(module)
        figures |= {name: found[name] for name in names}
    # Ratios hold on a shared machine; rates and latencies hold only if others were quiet.
    others = max(0.0, (_busy_s() - busy) - (_own_s() - own))
    print(
        f"--- processor seconds: {_own_s() - own:.0f} of these benchmarks, {others:.0f} of others"
    )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
