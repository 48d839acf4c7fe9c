"""Where a process has its memory from: `python -m netra.allocations SECONDS MODULE …`.

Runs the module as `python -m MODULE …` would, with Python's tracer on (it costs about half the
speed), and prints the lines of code that hold the most, every SECONDS and at the end; so does each
process that it forks. What libraries allocate by themselves (Arrow, NumPy before it tells Python)
is not seen.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import tracemalloc

_FRAMES = 1
_LINES = 15
_MEBI = 1 << 20


def main(arguments: list[str]) -> None:
    """Raises SystemExit(2) if it is not told how often, and what to run."""
    try:
        every_s, module = float(arguments[0]), arguments[1]
    except (IndexError, ValueError):
        print(__doc__, file=sys.stderr)
        raise SystemExit(2) from None
    tracemalloc.start(_FRAMES)
    _watch(every_s)
    os.register_at_fork(after_in_child=lambda: _watch(every_s))
    sys.argv = [module, *arguments[2:]]
    kept = None
    try:
        # What it defined lives on until it is counted.
        kept = runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        _say()
        del kept


def _watch(every_s: float) -> None:
    def look() -> None:
        while not ended.wait(every_s):
            _say()

    ended = threading.Event()
    threading.Thread(target=look, name="allocations", daemon=True).start()


def _say() -> None:
    held, most = tracemalloc.get_traced_memory()
    lines = [
        f"allocations of {os.getpid()}: {held / _MEBI:.1f} MiB now, {most / _MEBI:.1f} at most"
    ]
    for found in tracemalloc.take_snapshot().statistics("lineno")[:_LINES]:
        at = found.traceback[0]
        lines.append(f"{found.size / _MEBI:9.2f} MiB {found.count:9d}  {at.filename}:{at.lineno}")
    print("\n".join(lines), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
