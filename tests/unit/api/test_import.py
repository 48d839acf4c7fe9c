"""The API starts fast and stays small: what importing it costs, and what it must not load."""

from __future__ import annotations

import subprocess
import sys
import time

FORBIDDEN = (
    "netra.agents",
    "netra.analysis",
    "netra.ingest",
    "numpy",
    "numba",
    "pyarrow",
    "clickhouse_connect",
    "sqlalchemy",
    "celery",
)


def cpu_s(module: str) -> float:
    """CPU seconds of a fresh interpreter that imports `module`; the least of several runs."""
    code = f"import {module}, resource; r = resource.getrusage(resource.RUSAGE_SELF)"
    code += "; print(r.ru_utime + r.ru_stime)"

    def once() -> float:
        ran = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return float(ran.stdout)

    return min(once() for _ in range(3))


def test_importing_the_app_costs_at_most_three_times_its_framework() -> None:
    # CPU time, since others share the machine; once more if they took the cache as well.
    for _ in range(3):
        if cpu_s("netra.api.app") <= 3 * cpu_s("litestar"):
            return
        time.sleep(1)
    raise AssertionError("import netra.api.app takes more than 3 times import litestar")


def test_importing_the_app_loads_no_numerics() -> None:
    code = "import sys, netra.api.app; print(*sys.modules, sep='\\n')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = [
        m for m in ran.stdout.split() if any(m == f or m.startswith(f + ".") for f in FORBIDDEN)
    ]
    assert loaded == []
