"""A compiled loop whose parts lie in files of their own, and are put into it without calls.

Numba passes an array as seven words and counts a reference, atomically, wherever an array gets a
name: for parts of a few operations this is six times their work (measured). The parts are inlined
before compilation, and references are not counted at all, which a loop may do that allocates
nothing: its arrays are kept alive by its caller. What is kept on disk is the loop as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")

#: Divisions by zero are no exceptions in here, and no references are counted.
_OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """A small part: it becomes a piece of whatever calls it."""
    return cast(Any, numba).njit(inline="always", **_OPTIONS)(function)


def called(function: Callable[P, R]) -> Callable[P, R]:
    """A large part, which would be too much at each of its places."""
    return cast(Any, numba).njit(**_OPTIONS)(function)


def loop(function: Callable[P, R]) -> Callable[P, R]:
    """The loop itself; kept on disk, where a folder for it can be written."""
    try:
        return cast(Any, numba).njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:
        return called(function)


def fingerprint(*modules: ModuleType) -> str:
    """What changes with the code of the parts in these modules.

    To see whether what it kept is stale, numba looks at the file of the loop alone, and at the
    values that the loop closes over: closing over this one covers the parts.
    """
    digest = hashlib.sha256()
    for module in modules:
        for name, value in sorted(vars(module).items()):
            code = getattr(getattr(value, "py_func", None), "__code__", None)
            if code is not None:
                digest.update(repr((name, code.co_code, code.co_consts, code.co_names)).encode())
            elif isinstance(value, int | float):
                digest.update(repr((name, value)).encode())
    return digest.hexdigest()
