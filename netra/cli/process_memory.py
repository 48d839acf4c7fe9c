"""What Netra's processes on this machine hold, found by their command lines."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import psutil
from rich.table import Table

from netra.cli import output
from netra.cli.checks.check import Subject
from netra.embedded import memory, runfile

#: How a process of Netra's is told by its command line, where no stack lists it.
_MODULES = {
    "netra.api.serve": "api",
    "workers.cpu": "worker-cpu",
    "workers.gpu": "worker-gpu",
    "workers.scheduler": "scheduler",
    "workers.flower": "flower",
}


class ProcessMemory(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    pid: int
    #: `parent`, or `child` of a process of this name: the ones that run stages.
    role: str
    #: Proportional set size.
    memory_bytes: int
    threads: int
    open_files: int | None
    age_s: float
    cpu_s: float


def listed(on: Subject) -> list[ProcessMemory]:
    """Of the stack that runs here, else of all Netra processes that are seen; largest first."""
    found: list[ProcessMemory] = []
    for name, pid in _parents(on).items():
        try:
            parent = psutil.Process(pid)
            found.append(_measured(name, "parent", parent))
            found += [_measured(name, "child", c) for c in parent.children(recursive=True)]
        except psutil.Error:
            continue
    return sorted(found, key=lambda p: -p.memory_bytes)


def _parents(on: Subject) -> dict[str, int]:
    if on.running:
        processes = runfile.read(on.home).processes
        return {name: p.pid for name, p in processes.items() if p.pid is not None}
    parents: dict[str, int] = {}
    for process in psutil.process_iter(["cmdline"]):
        said: Any = process.info["cmdline"] or []
        for module, name in _MODULES.items():
            if module in said and name not in parents:
                parents[name] = process.pid
    return parents


def _measured(name: str, role: str, process: psutil.Process) -> ProcessMemory:
    with process.oneshot():
        times = process.cpu_times()
        return ProcessMemory(
            name=name,
            pid=process.pid,
            role=role,
            memory_bytes=memory.own_bytes(process.pid),
            threads=process.num_threads(),
            open_files=_open_files(process),
            age_s=time.time() - process.create_time(),
            cpu_s=times.user + times.system,
        )


def _open_files(process: psutil.Process) -> int | None:
    try:
        return process.num_fds()
    except psutil.Error:  # another user's
        return None


def table(rows: list[ProcessMemory]) -> Table:
    shown = output.table(
        "process", "role", "pid", "memory", "threads", "files", "age", "cpu",
        right=("pid", "memory", "threads", "files", "age", "cpu"),
    )  # fmt: skip
    for p in rows:
        files = "–" if p.open_files is None else str(p.open_files)
        shown.add_row(
            *(p.name, p.role, str(p.pid), output.size(p.memory_bytes), str(p.threads), files),
            *(output.duration(p.age_s), output.duration(p.cpu_s)),
        )
    return shown
