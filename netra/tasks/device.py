"""Where a pool's array code runs: on a GPU, or, if development allows it, on NumPy."""

from __future__ import annotations

import ctypes
from importlib import import_module, util
from typing import Any

from netra.errors import SettingsError
from netra.settings import Workers


def gpu_count() -> int:
    """CUDA devices that the driver sees; asks the driver itself and initialises nothing else."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def choose(pool: str, settings: Workers) -> str:
    """`numpy`, `cupy` or `torch` for a worker of `pool`.

    Raises:
        SettingsError: a gpu worker has no GPU, or no library for it, and no leave to do without.
    """
    if pool != "gpu":
        return "numpy"
    problem = "this machine has no GPU that the CUDA driver sees"
    if gpu_count() > 0:
        for library in ("cupy", "torch"):
            if util.find_spec(library):
                return library
        problem = "there is a GPU, but neither cupy nor torch is installed to use it"
    if settings.allow_cpu_fallback:
        return "numpy"
    raise SettingsError(
        f"the gpu worker refuses to start: {problem}. Run it where there is one, or set"
        " NETRA_WORKERS_ALLOW_CPU_FALLBACK=true to run its stages on NumPy (development only)"
    )


def namespace(device: str) -> Any:
    """The array API namespace of a device."""
    return import_module(f"array_api_compat.{device}")
