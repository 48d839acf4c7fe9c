"""Compiled inner loops: numba, without the interpreter lock, kept on disk between processes.

A kernel that held the lock would starve every other thread of its worker.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

P = ParamSpec("P")
R = TypeVar("R")

Bools = npt.NDArray[np.bool_]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compiles a loop over arrays at its first call; later processes load it from disk.

    Where no folder for the compiled code can be written, each process compiles its own.
    """
    jit = cast(Any, numba).njit
    try:
        return jit(nogil=True, cache=True)(function)
    except RuntimeError:
        return jit(nogil=True)(function)
