"""All benchmarks of the serving analyses; the last line is one JSON object."""

from __future__ import annotations

import json
import resource

import psutil

from benchmarks.serving_prefixes import with_hashes
from benchmarks.serving_search import fleet_search
from benchmarks.serving_silicon import silicon_accuracy
from benchmarks.serving_speed import speed
from benchmarks.serving_vllm import cross, vllm


def main() -> None:
    busy_s, own_s = _busy_s(), _own_s()
    figures = (
        speed() | {"hashed": with_hashes()} | fleet_search() | {"vllm": vllm()} | {"cross": cross()}
    )
    figures["silicon"] = silicon_accuracy()
    others = max(0.0, (_busy_s() - busy_s) - (_own_s() - own_s))
    print(f"processor seconds: {_own_s() - own_s:.0f} of this benchmark, {others:.0f} of others")
    print(json.dumps(figures))


def _busy_s() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0)


def _own_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
