"""What goes wrong, and a seeded order in which it does. Each fault undoes itself."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable

import redis

from tests.chaos.stack import Harness

STOP, CONT, KILL, TERM = signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL, signal.SIGTERM

Fault = Callable[[Harness, random.Random], None]


def kill(name: str, number: signal.Signals = KILL) -> Fault:
    """Ends a supervised process; the supervisor starts it again."""

    def fault(harness: Harness, rng: random.Random) -> None:
        with contextlib.suppress(ProcessLookupError, KeyError):
            os.kill(harness.info.pids[name], number)

    return fault


def kill_child(name: str) -> Fault:
    """Ends one process that runs a worker's stages, and not the worker."""

    def fault(harness: Harness, rng: random.Random) -> None:
        if found := harness.children(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(found).pid, KILL)

    return fault


def pause(name: str, seconds: float) -> Fault:
    """Stops a process and all below it for a while: it hangs, or its network is cut."""

    def fault(harness: Harness, rng: random.Random) -> None:
        harness.group(name, STOP)
        try:
            time.sleep(seconds)
        finally:
            harness.group(name, CONT)

    return fault


def second_scheduler(number: signal.Signals, seconds: float = 0.0) -> Fault:
    def fault(harness: Harness, rng: random.Random) -> None:
        process = harness.second
        process.send_signal(number)
        if seconds:
            time.sleep(seconds)
            process.send_signal(CONT)

    return fault


def flush(harness: Harness, rng: random.Random) -> None:
    """Valkey forgets everything: messages, streams, sessions."""
    with contextlib.suppress(redis.RedisError):
        client = redis.Redis.from_url(harness.info.redis_url, socket_timeout=3)
        client.flushall()
        client.close()


def fill_disk(harness: Harness, rng: random.Random) -> None:
    """Leaves ClickHouse no room to write for ten seconds."""
    assert harness.disk is not None
    filler = harness.disk / "filler"
    try:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * (1 << 20))
        time.sleep(10)
    finally:
        filler.unlink(missing_ok=True)


#: By name; the seconds are what the issue asks for.
KINDS: dict[str, Fault] = {
    "kill a cpu worker's child": kill_child("worker-cpu"),
    "kill a gpu worker's child": kill_child("worker-gpu"),
    "kill the cpu worker": kill("worker-cpu"),
    "kill the gpu worker": kill("worker-gpu"),
    "tell the cpu worker to go": kill("worker-cpu", TERM),
    "stop the cpu worker for 30 s": pause("worker-cpu", 30),
    "kill the first scheduler": kill("scheduler"),
    "stop the first scheduler for 30 s": pause("scheduler", 30),
    "kill the second scheduler": second_scheduler(KILL),
    "kill the API": kill("api"),
    "stop the API for 5 s": pause("api", 5),
    "restart Valkey": kill("valkey", TERM),
    "kill Valkey": kill("valkey"),
    "Valkey away for 20 s": pause("valkey", 20),
    "flush Valkey": flush,
    "kill PostgreSQL": kill("postgres"),
    "PostgreSQL away for 10 s": pause("postgres", 10),
    "kill ClickHouse": kill("clickhouse"),
    "ClickHouse away for 30 s": pause("clickhouse", 30),
    "ClickHouse's disk full for 10 s": fill_disk,
}


def schedule(rng: random.Random, each: int, possible: set[str]) -> list[str]:
    """Every kind `each` times, in a random order."""
    order = [name for name in KINDS if name in possible for _ in range(each)]
    rng.shuffle(order)
    return order
