"""What goes wrong. Each fault takes hold of some parts of the system, and undoes itself."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import redis

from tests.chaos.load import LONG_S, Load
from tests.chaos.recovery import Recovery
from tests.chaos.stack import Harness

STOP, CONT, KILL, TERM, INT = (
    signal.SIGSTOP,
    signal.SIGCONT,
    signal.SIGKILL,
    signal.SIGTERM,
    signal.SIGINT,
)


@dataclass(frozen=True)
class Scene:
    """What a fault has to do with."""

    harness: Harness
    load: Load
    recovery: Recovery
    rng: random.Random


Hit = Callable[[Scene], None]


@dataclass(frozen=True)
class Fault:
    name: str
    hit: Hit
    #: Held while it lasts: two faults meet only in parts that they do not share.
    parts: frozenset[str]
    #: Also in the short form: over within seconds.
    quick: bool = False


def _fault(name: str, parts: Iterable[str], hit: Hit, *, quick: bool = False) -> Fault:
    return Fault(name, hit, frozenset(parts), quick)


def send(name: str, number: signal.Signals = KILL) -> Hit:
    """Ends a process that is kept running: it starts again."""

    def hit(scene: Scene) -> None:
        scene.harness.send(name, number)
        time.sleep(2)

    return hit


def stop(name: str, seconds: float) -> Hit:
    """Stops a process and all below it for a while: it hangs, and its connections stay open."""

    def hit(scene: Scene) -> None:
        scene.harness.send_all(name, STOP)
        try:
            time.sleep(seconds)
        finally:
            scene.harness.send_all(name, CONT)

    return hit


def down(name: str, seconds: float) -> Hit:
    """Keeps a process from running for a while: connections are refused."""

    def hit(scene: Scene) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            scene.harness.send(name, KILL)
            time.sleep(0.05)

    return hit


def kill_running(pool: str, *, parent: bool) -> Hit:
    """Kills what runs a stage at this moment, and waits until that stage runs again."""

    def hit(scene: Scene) -> None:
        scene.recovery.await_calm(pool)
        # So that there is one; any other that has just begun will do as well.
        scene.load.submit_single("noop" if pool == "cpu" else "noop-gpu", sleep_s=LONG_S)
        scene.recovery.kill(pool, parent=parent, rng=scene.rng)

    return hit


def flush(scene: Scene) -> None:
    """Valkey forgets everything: messages, streams, sessions."""
    with contextlib.suppress(redis.RedisError):
        client = redis.Redis.from_url(scene.harness.info.redis_url, socket_timeout=3)
        client.flushall()
        client.close()


def fill_disk(scene: Scene) -> None:
    """Leaves ClickHouse no room to write for ten seconds."""
    assert scene.harness.disk is not None
    filler = scene.harness.disk / "filler"
    try:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * (1 << 20))
        time.sleep(10)
    finally:
        filler.unlink(missing_ok=True)


def jump(seconds: int) -> Hit:
    """The second worker's clock is wrong for a while, then right again: two jumps."""

    def hit(scene: Scene) -> None:
        assert scene.harness.clock is not None
        try:
            scene.harness.clock.set(seconds)
            time.sleep(15)
        finally:
            scene.harness.clock.set(0)

    return hit


def misbehave(**params: object) -> Hit:
    """Submits a job whose first stage does."""

    def hit(scene: Scene) -> None:
        scene.load.submit_single("noop", **params)

    return hit


#: A kill whose recovery is timed: what takes a stage back must not be away meanwhile.
_TIMED = ("postgres", "scheduler", "scheduler-2")
_CPU = ("worker-cpu", "worker-cpu-2")
_GPU = ("worker-gpu", "worker-gpu-2")

FAULTS = (
    _fault(
        "kill a cpu child that runs a stage",
        (*_TIMED, *_CPU),
        kill_running("cpu", parent=False),
        quick=True,
    ),
    _fault(
        "kill a gpu child that runs a stage",
        (*_TIMED, *_GPU),
        kill_running("gpu", parent=False),
    ),
    _fault(
        "kill a cpu worker that runs a stage",
        (*_TIMED, *_CPU),
        kill_running("cpu", parent=True),
        quick=True,
    ),
    _fault(
        "kill a gpu worker that runs a stage",
        (*_TIMED, *_GPU),
        kill_running("gpu", parent=True),
    ),
    _fault("tell a cpu worker to go", ("worker-cpu",), send("worker-cpu", TERM), quick=True),
    _fault("stop a cpu worker for 30 s", ("worker-cpu",), stop("worker-cpu", 30)),
    _fault("stop a gpu worker for 30 s", ("worker-gpu",), stop("worker-gpu", 30)),
    _fault("a worker's clock an hour ahead", ("worker-cpu-2",), jump(3600)),
    _fault("a worker's clock an hour behind", ("worker-cpu-2",), jump(-3600)),
    _fault("an agent holds the lock for two leases", (), misbehave(hold_gil_s=22.0)),
    _fault("an agent is killed for memory", (), misbehave(hold_mb=900, sleep_s=5.0), quick=True),
    _fault("an agent kills its process", (), misbehave(dies=True, sleep_s=2.5), quick=True),
    _fault("kill one scheduler", ("scheduler",), send("scheduler"), quick=True),
    _fault("stop one scheduler for 30 s", ("scheduler",), stop("scheduler", 30)),
    _fault("kill the other scheduler", ("scheduler-2",), send("scheduler-2"), quick=True),
    _fault("kill the API", ("api",), send("api"), quick=True),
    _fault("stop the API for 30 s", ("api",), stop("api", 30)),
    _fault("restart Valkey", ("valkey",), send("valkey", TERM), quick=True),
    _fault("kill Valkey", ("valkey",), send("valkey")),
    _fault("flush Valkey", ("valkey",), flush, quick=True),
    _fault("Valkey down for 20 s", ("valkey",), down("valkey", 20)),
    _fault("stop Valkey for 30 s", ("valkey",), stop("valkey", 30)),
    _fault("restart PostgreSQL", ("postgres",), send("postgres", INT)),
    _fault("kill PostgreSQL", ("postgres",), send("postgres"), quick=True),
    _fault("PostgreSQL down for 10 s", ("postgres",), down("postgres", 10)),
    _fault("stop PostgreSQL for 30 s", ("postgres",), stop("postgres", 30)),
    _fault("restart ClickHouse", ("clickhouse",), send("clickhouse", TERM)),
    _fault("kill ClickHouse", ("clickhouse",), send("clickhouse"), quick=True),
    _fault("ClickHouse down for 30 s", ("clickhouse",), down("clickhouse", 30)),
    _fault("stop ClickHouse for 30 s", ("clickhouse",), stop("clickhouse", 30)),
    _fault("ClickHouse's disk full for 10 s", ("clickhouse",), fill_disk),
)


def possible(harness: Harness, faults: Iterable[Fault] = FAULTS) -> list[Fault]:
    """Those that can be made here; says which cannot, and why."""
    found = list(faults)
    if harness.disk is None:
        print("no disk of its own for ClickHouse (needs root): it is not filled", flush=True)
        found = [fault for fault in found if fault.hit is not fill_disk]
    if harness.clock is None:
        print("no C compiler (cc): no worker's clock jumps", flush=True)
        found = [fault for fault in found if "clock" not in fault.name]
    return found
