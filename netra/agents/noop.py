"""The agent for measurements and fault tests: costs nothing, and misbehaves on request."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from typing import TYPE_CHECKING

from netra.agents.base import Child, Context, FanOut, Inputs, StageResult
from netra.catalog.params import NoopParams
from netra.errors import NetraError, StageCancelled

if TYPE_CHECKING:
    import pyarrow as pa


class NoopFailure(NetraError):
    """The noop agent was asked to fail."""


def run(inputs: Inputs, params: NoopParams, context: Context) -> StageResult:
    """Sleeps, ticks, fails, dies, hogs memory or the interpreter lock, or fans out, as asked."""
    content: dict[str, object] = {"ok": True}
    if params.steps:
        content["resumed_at"] = _steps(params, context)
    else:
        content["attempts"] = _attempt(params, context)
        held = b"\1" * (params.hold_mb << 20)
        _sleep(params, context)
        del held
    if params.dies:
        os.kill(os.getpid(), signal.SIGKILL)
    if params.hold_gil_s:
        # PyDLL keeps the interpreter lock, as a numba kernel without nogil does.
        ctypes.PyDLL(None).usleep(ctypes.c_uint(int(params.hold_gil_s * 1e6)))
    fan_out = None
    if params.fan_out:
        children = [Child(name=f"part-{i}", agent="noop") for i in range(params.fan_out)]
        fan_out = FanOut(children=children, merge=Child(name="merge", agent="noop"))
    if params.result_bytes:
        content["payload"] = "x" * params.result_bytes
    if inputs.upstream:
        content["upstream"] = sorted(inputs.upstream)
    return StageResult(content=content, tables=_tables(params), fan_out=fan_out)


def _attempt(params: NoopParams, context: Context) -> int:
    """The number of this attempt; raises on those that are to fail."""
    attempt = int(context.restored or 0) + 1
    if attempt <= params.fail_attempts:
        context.checkpoint(attempt)
        raise NoopFailure(f"asked to fail on attempt {attempt} of {params.fail_attempts}")
    return attempt


def _steps(params: NoopParams, context: Context) -> int:
    """Works from where an earlier attempt got to; that position."""
    resumed_at = int(context.restored or 0)
    for step in range(resumed_at, params.steps):
        _sleep_until(time.monotonic() + params.sleep_s / params.steps, context)
        context.checkpoint(step + 1)
        context.progress((step + 1) / params.steps, f"step {step + 1} of {params.steps}")
    return resumed_at


def _tables(params: NoopParams) -> dict[str, pa.Table]:
    if not params.table_rows:
        return {}
    import pyarrow as pa

    return {"rows": pa.table({"row": range(params.table_rows)})}


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
