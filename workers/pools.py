"""The pools: which queue, how many processes, how they are started."""

from __future__ import annotations

import logging
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import psutil
from celery.apps import worker as celery_worker
from celery.bootsteps import StartStopStep

from netra import metrics_server
from netra import settings as settings_module
from netra.engine.holder import Holder
from netra.errors import NetraError
from netra.heartbeat import Heartbeat
from netra.ids import new_id
from netra.logging import configure, say
from netra.settings import Settings
from netra.store import postgres, redis
from netra.tasks import device, wake
from netra.tasks.app import app, queue_name

log = logging.getLogger(__name__)

#: A worker that ends at once has this long, seconds: with its stores gone Celery was seen to wait
#: for a lock of its own for ever.
_COLD_S = 10.0


def main(pool: str) -> None:
    """Runs a Celery worker of a pool until it is told to stop."""
    # Until Celery has its own. The first process of a container has no default one: a signal that
    # came too early would be dropped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = settings_module.of_process()
    configure(f"worker-{pool}", settings.logging)
    with settings_module.fatal():
        postgres.dsn(settings.database)
        redis.check_url(settings.redis)
    try:
        chosen = device.choose(pool, settings.workers)
    except NetraError as e:
        log.critical("%s", e)
        raise SystemExit(78) from e
    if pool == "gpu" and chosen == "numpy":
        log.warning("no GPU here; running the same code on NumPy (allow_cpu_fallback)")
    heartbeat = Heartbeat(settings.health, f"worker-{pool}")
    heartbeat.beat()
    holder = _holder(settings, pool, chosen, heartbeat)
    os.environ[wake.WORKER_ID] = str(holder.worker)
    os.environ[wake.POOL] = pool
    os.environ[wake.DEVICE] = chosen

    def begin() -> None:
        # Threads only after the children: a fork takes none along.
        holder.start()
        metrics_server.start(settings.metrics)

    _once_the_pool_stands(begin)
    _before_it_ends_processes(holder.leave)
    # What Celery says while it stops, it writes past the logs.
    celery_worker.safe_say = lambda msg, f=None: say("celery.worker", msg.strip())
    try:
        app.worker_main(_arguments(pool, holder.concurrency))
    finally:
        holder.close()


def _once_the_pool_stands(begin: Callable[[], None]) -> None:
    """Not only when the worker is ready, as Celery calls it: that waits for the broker."""

    class Begin(StartStopStep):
        requires = ("celery.worker.components:Pool",)

        def start(self, parent: Any) -> None:
            begin()

    steps = app.steps
    assert steps is not None
    steps["worker"].add(Begin)


def _before_it_ends_processes(leave: Callable[[], None]) -> None:
    """Celery's own signal comes after it has ended what did not finish in time."""
    celery: Any = app

    class Leaving(celery.Worker):
        def wait_for_soft_shutdown(self) -> None:
            leave()
            super().wait_for_soft_shutdown()

        def _shutdown(self, warm: bool = True) -> None:
            with nullcontext() if warm else ended_within(_COLD_S):
                super()._shutdown(warm)

    celery.Worker = Leaving


@contextmanager
def ended_within(seconds: float) -> Iterator[None]:
    """Ends this process, with exit code 1, if the block takes longer; leases recover its stages."""

    def give_up() -> None:
        say("workers", f"not ended after {seconds:g} s; ending without a word")
        os._exit(1)

    watch = threading.Timer(seconds, give_up)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _holder(settings: Settings, pool: str, chosen: str, heartbeat: Heartbeat) -> Holder:
    own = settings.workers
    return Holder(
        settings,
        new_id(),
        pool=pool,
        host=platform.node(),
        concurrency=own.gpu_concurrency if pool == "gpu" else own.cpu_concurrency,
        device=chosen,
        pids=_children,
        alive=heartbeat.beat,
    )


def _arguments(pool: str, concurrency: int) -> list[str]:
    # CUDA does not survive a fork, so a gpu worker starts its processes afresh.
    app.conf.worker_pool_start_method = "spawn" if pool == "gpu" else "fork"
    app.conf.worker_soft_shutdown_timeout = 1.0
    # A process that a large stage left large makes room for a fresh one, after its work (kB).
    app.conf.worker_max_memory_per_child = 600_000
    return [
        "--quiet",
        "worker",
        f"--hostname={pool}@%h",
        f"--queues={queue_name(pool)}",
        f"--concurrency={concurrency}",
        "--pool=prefork",
        "--loglevel=WARNING",
        "--without-gossip",
        "--without-mingle",
    ]


def _children() -> list[int]:
    """The worker's living processes; a zombie runs nothing any more."""
    living: list[int] = []
    for child in psutil.Process().children():
        try:
            if child.status() != psutil.STATUS_ZOMBIE:
                living.append(child.pid)
        except psutil.NoSuchProcess:
            continue
    return living
