"""`python -m workers.scheduler`: admits stages, takes back lost ones; several may run."""

from __future__ import annotations

import logging
import signal
from typing import Any

from netra import settings as settings_module
from netra.engine.scheduler import Scheduler
from netra.logging import configure
from netra.store import postgres
from netra.tasks.app import app
from netra.tasks.dispatch import CeleryDispatch

log = logging.getLogger(__name__)


def main() -> None:
    settings = settings_module.current()
    configure("scheduler", settings.logging)
    scheduler = Scheduler(settings, CeleryDispatch(app), sweep=_sweep)

    def leave(*_: Any) -> None:
        scheduler.stop.set()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    scheduler.run()


def _sweep(connection: postgres.Connection) -> None:
    """Removes the rows in ClickHouse of ingests and attempts that did not win."""


if __name__ == "__main__":
    main()
