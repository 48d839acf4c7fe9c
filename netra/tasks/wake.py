"""The one Celery task: a stage was admitted, go and claim it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any
from uuid import UUID

from celery.signals import worker_process_init, worker_process_shutdown

from netra import settings as settings_module
from netra import tracing
from netra.logging import configure
from netra.tasks.app import WAKE, app
from netra.tasks.child import Child
from netra.tasks.lookout import Lookout

#: How a worker's parent process tells its children who they are.
WORKER_ID = "NETRA_WORKER_ID"
POOL = "NETRA_WORKER_POOL"
DEVICE = "NETRA_WORKER_DEVICE"

_child: Child | None = None


@worker_process_init.connect
def _born(**_: Any) -> None:
    global _child
    _die_with_parent()
    settings = settings_module.current()
    pool = os.environ[POOL]
    configure(f"worker-{pool}", settings.logging)
    tracing.start(f"worker-{pool}", settings)
    _child = Child(settings, UUID(os.environ[WORKER_ID]), pool, os.environ[DEVICE])
    Lookout(_child, settings.queue.poll_s).start()


@worker_process_shutdown.connect
def _gone(**_: Any) -> None:
    tracing.stop()


def _die_with_parent() -> None:
    """An orphan would hold a stage that nobody vouches for any more."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


@app.task(name=WAKE, ignore_result=True)
def wake(stage_id: str, admission: int) -> None:
    """Claims and runs stages while there is time; which, the database says.

    The arguments name the stage that was admitted when this was sent, for those who watch.
    """
    if _child is None:
        raise RuntimeError("this process was not started as a worker's child")
    _child.serve()
