"""The whole stack at full load for minutes: does any process grow?

    python -m benchmarks.queue.soak [--seconds N]

Jobs of one to three stages are submitted singly and in batches so that some always wait, hundreds
of sockets follow them, come and go, and lists are read. Every ten seconds each process's memory
(PSS), descriptors and connections are noted. What counts is the last third against the first,
after a warm-up: all may differ by 5 %.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import psycopg
import redis

from benchmarks import jobs
from benchmarks.queue.fanout import Crowd, crowd_of
from netra.client import JobRequest, Netra
from netra.embedded.info import StackInfo

SECONDS, WARM_UP, EVERY = 600.0, 120.0, 10.0
#: Memory may grow by this share; so may descriptors, of which PostgreSQL opens one for every file
#: that a connection has touched, and a pool some for a moment.
_SHARE, _FEW = 0.05, 3
#: Less than this is no growth, kB: some processes hold half a megabyte.
_LITTLE_KB = 512
#: Jobs that wait at most, so that the load is full and the tables do not choose the outcome.
_WAITING = 2_000
_SOCKETS = 200
_SHAPES = (
    JobRequest(stages=({"name": "a", "agent": "noop"},)),
    JobRequest(
        stages=(
            {"name": "a", "agent": "noop"},
            {"name": "b", "agent": "noop", "after": ["a"]},
            {"name": "c", "agent": "noop", "after": ["a"], "params": {"ticks": 3}},
        )
    ),
)


class Sample(msgspec.Struct):
    """What a process holds. Memory in kB."""

    pss_kb: float
    descriptors: int
    sockets: int


class Load:
    """Threads that keep the stack busy until they are told to stop."""

    def __init__(self, info: StackInfo, crowd: Crowd) -> None:
        self.info = info
        self.crowd = crowd
        self.over = threading.Event()
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.errors: list[str] = []
        what = [self._batches, self._singles, self._readers, self._sockets]
        self.threads = [threading.Thread(target=self._guarded, args=[one]) for one in what]

    def _guarded(self, work: Callable[[Netra], None]) -> None:
        try:
            with Netra(self.info.api_url, self.info.api_key) as netra:
                while not self.over.is_set():
                    work(netra)
        except Exception as e:  # told at the end: a load that has stopped proves nothing
            self.errors.append(f"{work.__name__}: {e!r}")

    def _batches(self, netra: Netra) -> None:
        with psycopg.connect(self.info.database_url, autocommit=True) as pg:
            row = pg.execute("SELECT count(*) FROM stages WHERE state = 'ready'").fetchone()
        if row is not None and row[0] < _WAITING:
            name = f"soak-{time.time_ns()}"
            netra.batches.submit(name, [random.choice(_SHAPES) for _ in range(500)])
            self.counts["jobs"] += 500
        self.over.wait(0.2)

    def _singles(self, netra: Netra) -> None:
        netra.jobs.submit(random.choice(_SHAPES))
        self.counts["jobs"] += 1
        self.over.wait(0.02)

    def _readers(self, netra: Netra) -> None:
        for job in netra.jobs.list(page_size=50):
            netra.jobs.get(job.id)
            break
        self.over.wait(0.1)
        self.counts["lists"] += 1

    def _sockets(self, netra: Netra) -> None:
        """Opens sockets that follow the newest batch for some seconds, and closes them."""
        batch = next(iter(netra.batches.list(page_size=1)), None)
        if batch is not None:
            self.crowd.do("open", batches=[batch.id], n=_SOCKETS, stalls=False)
            self.counts["sockets"] += _SOCKETS
        self.over.wait(5.0)
        self.crowd.do("close")


def processes(info: StackInfo) -> dict[str, list[psutil.Process]]:
    """What is watched, by name: each process, a pool's children one by one, and PostgreSQL's by
    whom they serve. Those of the API are as many as it has use for at the time, and those of
    autovacuum come and go: of each kind the largest is watched."""
    found: dict[str, list[psutil.Process]] = {}
    for name, pid in info.pids.items():
        process = psutil.Process(pid)
        children = process.children(recursive=True)
        if name == "postgres":
            found[name] = [process]
            served = _served(info)
            for child in children:
                if kind := served.get(child.pid):
                    found.setdefault(f"postgres: {kind}", []).append(child)
            continue
        found[name] = [process]
        found |= {f"{name}: child {i}": [child] for i, child in enumerate(children)}
    return found


def _served(info: StackInfo) -> dict[int, str]:
    """What each of PostgreSQL's server processes is for, but for this benchmark's own."""
    with psycopg.connect(info.database_url, autocommit=True) as pg:
        rows = pg.execute(
            "SELECT pid, coalesce(nullif(application_name, ''), backend_type)"
            " FROM pg_stat_activity WHERE backend_type <> 'client backend'"
            " OR application_name LIKE 'netra-%'"
        ).fetchall()
    return dict(rows)


def sample(group: list[psutil.Process]) -> Sample | None:
    """What the largest of the group holds; None if all have ended meanwhile."""
    held = Sample(0, 0, 0)
    for process in group:
        try:
            held = Sample(
                max(held.pss_kb, _pss_kb(process.pid)),
                max(held.descriptors, process.num_fds()),
                max(held.sockets, len(process.net_connections("all"))),
            )
        except (OSError, psutil.NoSuchProcess):
            continue
    return held if held.pss_kb else None


def _pss_kb(pid: int) -> float:
    """The process's share of memory; of PostgreSQL without its buffers, which fill up to what
    they are set to."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    held = {name: float(rest.split()[0]) for name, _, rest in (s.partition(":") for s in lines[1:])}
    return held["Pss"] - held["Pss_Shmem"]


def open_files(group: list[psutil.Process]) -> set[str]:
    """Names of the regular files that any of the group has open."""
    found: set[str] = set()
    for process in group:
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            found |= {Path(file.path).name for file in process.open_files()}
    return found


def connections(info: StackInfo) -> dict[str, int]:
    """Connections as the stores count them, but for this benchmark's own."""
    with psycopg.connect(info.database_url, autocommit=True) as pg:
        row = pg.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'netra-%'"
        ).fetchone()
    with redis.Redis.from_url(info.redis_url) as client:
        clients: Any = client.info("clients")
    return {"PostgreSQL": row[0] if row else 0, "Redis": clients["connected_clients"] - 1}


class Watch:
    """Samples over time."""

    def __init__(self, info: StackInfo) -> None:
        self.info = info
        self.held: defaultdict[str, list[Sample]] = defaultdict(list)
        self.connected: defaultdict[str, list[int]] = defaultdict(list)
        #: Names of the files that each had open when it was looked at first, and last.
        self.files: dict[str, tuple[set[str], set[str]]] = {}

    def look(self) -> None:
        for name, group in processes(self.info).items():
            if (held := sample(group)) is not None:
                self.held[name].append(held)
            names = open_files(group)
            self.files[name] = (self.files.get(name, (names,))[0], names)
        for name, n in connections(self.info).items():
            self.connected[name].append(n)

    def growth(self) -> list[str]:
        """Prints a table, and returns what has grown: the last third against the first.

        What was there less than half of the time were several processes, one after the other.
        """
        grown = []
        most = max(map(len, self.held.values()), default=0)
        for name, samples in self.held.items():
            if len(samples) < most / 2:
                print(f"{name:24} came and went; {len(samples)} samples")
                continue
            kb, kb_later = _thirds([s.pss_kb for s in samples])
            files, files_later = _thirds([s.descriptors for s in samples])
            sockets, sockets_later = _thirds([s.sockets for s in samples])
            print(
                f"{name:24} {kb / 1024:6.1f} → {kb_later / 1024:6.1f} MB"
                f" ({kb_later / kb - 1:+.1%}), descriptors {files:.0f} → {files_later:.0f},"
                f" sockets {sockets:.0f} → {sockets_later:.0f}; {len(samples)} samples"
            )
            if kb_later > kb + max(_LITTLE_KB, kb * _SHARE):
                grown.append(f"memory of {name}")
            if files_later > files + max(_FEW, files * _SHARE):
                grown.append(f"descriptors of {name}")
                first, last = self.files[name]
                print(f"{name} has opened {', '.join(self._named(sorted(last - first)))}")
            if sockets_later > sockets + max(_FEW, sockets * _SHARE):
                grown.append(f"sockets of {name}")
        for name, counts in self.connected.items():
            now, later = _thirds(counts)
            print(f"connections of {name}: {now:.0f} → {later:.0f}")
            if later > now + max(_FEW, now * _SHARE):
                grown.append(f"connections of {name}")
        return grown

    def _named(self, files: Sequence[str]) -> list[str]:
        """PostgreSQL's files with the names of what they hold: `24601_vm` of a table's map."""
        with psycopg.connect(self.info.database_url, autocommit=True) as pg:
            known = {
                str(node): name
                for node, name in pg.execute(
                    "SELECT pg_relation_filenode(oid), relname FROM pg_class"
                    " WHERE pg_relation_filenode(oid) IS NOT NULL"
                ).fetchall()
            }
        return [f"{file} ({known.get(re.split('[_.]', file)[0], 'no table')})" for file in files]


def _thirds(values: Sequence[float]) -> tuple[float, float]:
    """Medians of the first and of the last third: single samples jump with the load."""
    third = max(1, len(values) // 3)
    return float(np.median(values[:third])), float(np.median(values[-third:]))


def measure(seconds: float = SECONDS, warm_up: float = WARM_UP) -> dict[str, Any]:
    """
    Raises:
        RuntimeError: a part of the load has failed.
    """
    with jobs.stack() as info, crowd_of(info) as crowd:
        load, watch = Load(info, crowd), Watch(info)
        pids = info.pids
        for thread in load.threads:
            thread.start()
        try:
            time.sleep(warm_up)
            done = load.counts["jobs"]
            end = time.monotonic() + seconds
            while time.monotonic() < end and not load.errors:
                watch.look()
                time.sleep(EVERY)
        finally:
            load.over.set()
            for thread in load.threads:
                thread.join()
        if load.errors:
            raise RuntimeError(f"the load failed: {load.errors}")
        if info.pids != pids:
            raise RuntimeError(f"processes were started again: {pids} became {info.pids}")
        grown = watch.growth()
    made = load.counts["jobs"] - done
    print(
        f"{made} jobs, {load.counts['messages']} messages; grown: {', '.join(grown) or 'nothing'}"
    )
    return {"seconds": round(seconds), "jobs": made, "processes": len(watch.held), "grown": grown}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue.soak")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--warm-up", type=float, default=WARM_UP)
    given = parser.parse_args()
    print(json.dumps(measure(given.seconds, given.warm_up)))


if __name__ == "__main__":
    main()
