"""The agent for measurements and fault tests: costs nothing, and misbehaves on request."""

from __future__ import annotations

import ctypes
import time

from netra.agents.base import Child, Context, FanOut, Inputs, StageResult
from netra.catalog.params import NoopParams
from netra.errors import NetraError, StageCancelled


class NoopFailure(NetraError):
    """The noop agent was asked to fail."""


def run(inputs: Inputs, params: NoopParams, context: Context) -> StageResult:
    """Sleeps, ticks, fails, hogs the interpreter lock or fans out, as `params` ask."""
    attempt = int(context.restored or 0) + 1
    if attempt <= params.fail_attempts:
        context.checkpoint(attempt)
        raise NoopFailure(f"asked to fail on attempt {attempt} of {params.fail_attempts}")
    _sleep(params, context)
    if params.hold_gil_s:
        # PyDLL keeps the interpreter lock, as a numba kernel without nogil does.
        ctypes.PyDLL(None).usleep(ctypes.c_uint(int(params.hold_gil_s * 1e6)))
    fan_out = None
    if params.fan_out:
        children = [Child(name=f"part-{i}", agent="noop") for i in range(params.fan_out)]
        fan_out = FanOut(children=children, merge=Child(name="merge", agent="noop"))
    content: dict[str, object] = {"ok": True, "attempts": attempt}
    if params.result_bytes:
        content["payload"] = "x" * params.result_bytes
    if inputs.upstream:
        content["upstream"] = sorted(inputs.upstream)
    return StageResult(content=content, fan_out=fan_out)


def _sleep(params: NoopParams, context: Context) -> None:
    end = time.monotonic() + params.sleep_s
    for i in range(params.ticks):
        if params.sleep_s:
            _sleep_until(end - params.sleep_s * (1 - (i + 1) / params.ticks), context)
        context.progress((i + 1) / params.ticks, f"tick {i + 1} of {params.ticks}")
    _sleep_until(end, context)


def _sleep_until(end: float, context: Context) -> None:
    while (left := end - time.monotonic()) > 0:
        if context.cancelled():
            raise StageCancelled
        time.sleep(min(left, 0.2))
